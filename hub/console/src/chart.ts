import type { BranchToday } from './answers.js';
import { chartData, scaleOf, type ChartData } from './chart-data.js';
import { el, svg } from './dom.js';
import { count, money, shortMoney } from './format.js';

const HEIGHT = 240;
const BAR_WIDTH_MAX = 56;
const MARGIN = { top: 12, right: 8, bottom: 26, left: 56 };

/** Bars by hour, the branches on top of each other. */
export class HourChart {
  private drawn = '';
  private data: ChartData | null = null;

  constructor(
    private readonly place: HTMLElement,
    private readonly legend: HTMLElement,
    private readonly title: HTMLElement,
  ) {
    new ResizeObserver(() => this.draw()).observe(place);
  }

  show(branches: readonly BranchToday[]): void {
    this.data = branches.length === 0 ? null : chartData(branches);
    this.draw();
  }

  private draw(): void {
    const { data, place } = this;
    const width = Math.max(280, Math.floor(place.clientWidth));
    const key = JSON.stringify([
      width,
      data && { ...data, series: data.series.map((each) => [each.name, ...each.byHour]) },
    ]);
    if (key === this.drawn) return;
    this.drawn = key;
    place.replaceChildren();
    this.legend.replaceChildren();
    if (data === null) return;
    this.title.textContent = data.currency === null ? 'Sales by hour' : 'Takings by hour';
    place.append(chartOf(data, width));
    data.series.forEach(({ name }, at) =>
      this.legend.append(el('li', {}, el('span', { class: `swatch s${at}`, 'aria-hidden': 'true' }), name)),
    );
  }
}

function chartOf(data: ChartData, width: number): SVGSVGElement {
  const { hours } = data;
  const sumOf = (hour: number): number => data.series.reduce((sum, { byHour }) => sum + (byHour.get(hour) ?? 0), 0);
  const { top, step } = scaleOf(Math.max(...hours.map(sumOf)));
  const plot = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const yOf = (value: number): number => MARGIN.top + plot.height * (1 - value / top);
  const amount = (value: number): string => (data.currency === null ? count(value) : money(value, data.currency));
  const axis = (value: number): string => (data.currency === null ? count(value) : shortMoney(value, data.currency));
  const said = hours.filter((hour) => sumOf(hour) > 0).map((hour) => `${hour}:00 ${amount(sumOf(hour))}`);
  const chart = svg('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: 'img',
    'aria-label': said.length === 0 ? 'Nothing sold yet today.' : `By hour: ${said.join(', ')}.`,
  });
  for (let value = 0; value <= top; value += step) {
    const y = Math.round(yOf(value)) + 0.5;
    chart.append(
      svg('line', { class: value === 0 ? 'axis' : 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
      svg('text', { class: 'tick', x: MARGIN.left - 8, y: y + 4, 'text-anchor': 'end' }, axis(value)),
    );
  }
  const slot = plot.width / hours.length;
  const bar = Math.min(slot * 0.72, BAR_WIDTH_MAX);
  hours.forEach((hour, at) => {
    const x = MARGIN.left + at * slot;
    if (slot >= 22 || at % 3 === 0)
      chart.append(
        svg(
          'text',
          { class: 'tick', x: x + slot / 2, y: HEIGHT - 8, 'text-anchor': 'middle' },
          String(hour).padStart(2, '0'),
        ),
      );
    let below = 0;
    data.series.forEach(({ name, byHour }, nth) => {
      const value = byHour.get(hour) ?? 0;
      if (value <= 0) return;
      const rect = {
        x: x + (slot - bar) / 2,
        width: bar,
        y: yOf(below + value),
        height: yOf(below) - yOf(below + value),
      };
      below += value;
      const hover = svg('title', {}, `${name}, ${hour}:00 to ${hour + 1}:00: ${amount(value)}`);
      chart.append(svg('rect', { class: `s${nth}`, ...rect }, hover));
    });
  });
  return chart;
}

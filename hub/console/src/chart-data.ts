import type { BranchToday } from './answers.js';
import { count } from './format.js';

/** What the chart is drawn from: pure, so that it can be tested without a browser. */

const HOURS = 24;
/** Fewer columns than these are broad bars in an empty room. */
const HOURS_SHOWN_MIN = 12;
/** As many colours as are told apart; further branches share one more. */
const SERIES_MAX = 7;

export type Series = { name: string; byHour: Map<number, number> };
/** `hours`: in the order of a business day, from the first to the last in which anything was sold. */
export type ChartData = { series: Series[]; hours: number[]; currency: string | null };

/**
 * Takings where all branches have one currency, numbers of sales where not, since amounts of two are never added; and
 * where an amount is unknown.
 */
export function chartData(branches: readonly BranchToday[]): ChartData {
  const currencies = new Set(branches.map(({ currency }) => currency));
  const isKnown = branches.every(({ hours }) => hours.every(({ totalMinor }) => totalMinor !== null));
  const [currency = null] = currencies.size === 1 && isKnown ? currencies : [];
  const series = branches
    .slice(0, SERIES_MAX)
    .map(({ branch, name }) => ({ name: `${branch} ${name}`, byHour: new Map() }));
  const others = branches.length - SERIES_MAX;
  if (others > 0) series.push({ name: `${count(others)} other stores`, byHour: new Map() });
  branches.forEach(({ hours }, at) => {
    const byHour: Map<number, number> | undefined = series[Math.min(at, SERIES_MAX)]?.byHour;
    for (const { hour, baskets, totalMinor } of hours)
      byHour?.set(hour, (byHour.get(hour) ?? 0) + (currency === null || totalMinor === null ? baskets : totalMinor));
  });
  const firstHour = Math.min(...branches.map((branch) => branch.firstHour), HOURS - 1);
  return { series, hours: hoursShown(series, firstHour), currency };
}

function hoursShown(series: readonly Series[], firstHour: number): number[] {
  const places = series.flatMap(({ byHour }) => [...byHour.keys()].map((hour) => (hour - firstHour + HOURS) % HOURS));
  const first = Math.min(...places, HOURS - 1);
  const last = Math.min(HOURS - 1, Math.max(first + HOURS_SHOWN_MIN - 1, ...places));
  const from = Math.max(0, Math.min(first, last - HOURS_SHOWN_MIN + 1));
  return Array.from({ length: last - from + 1 }, (_, at) => (firstHour + from + at) % HOURS);
}

/** A round number not below `highest`, and the step of four or five lines up to it. */
export function scaleOf(highest: number): { top: number; step: number } {
  const rough = Math.max(highest, 4) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10]
    .map((factor) => factor * power)
    .find((each) => each >= rough && Number.isInteger(each));
  const whole = step ?? Math.ceil(rough);
  return { top: whole * Math.ceil(Math.max(highest, 4) / whole), step: whole };
}

import type { BranchToday } from './answers.js';
import { count } from './format.js';

/** What the chart is drawn from: pure, so that it can be tested without a browser. */

export const HOURS = 24;
/** As many colours as are told apart; further branches share one more. */
const SERIES_MAX = 7;

export type Series = { name: string; byHour: Map<number, number> };
export type ChartData = { series: Series[]; firstHour: number; currency: string | null };

/** Takings where all branches have one currency, numbers of sales where not: amounts of two are never added. */
export function chartData(branches: readonly BranchToday[]): ChartData {
  const currencies = new Set(branches.map(({ currency }) => currency));
  const [currency = null] = currencies.size === 1 ? currencies : [];
  const series = branches
    .slice(0, SERIES_MAX)
    .map(({ branch, name }) => ({ name: `${branch} ${name}`, byHour: new Map() }));
  const others = branches.length - SERIES_MAX;
  if (others > 0) series.push({ name: `${count(others)} other stores`, byHour: new Map() });
  branches.forEach(({ hours }, at) => {
    const byHour: Map<number, number> | undefined = series[Math.min(at, SERIES_MAX)]?.byHour;
    for (const { hour, baskets, totalMinor } of hours)
      byHour?.set(hour, (byHour.get(hour) ?? 0) + (currency === null ? baskets : totalMinor));
  });
  return { series, firstHour: Math.min(...branches.map(({ firstHour }) => firstHour), HOURS - 1), currency };
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

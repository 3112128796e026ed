/** What is wanted of a row: at least, or at most, so much; of its value or of its ratio to the yardstick. */
export type Goal = { of: 'value' | 'ratio' } & ({ atLeast: number } | { atMost: number });

/** One measured line, as `bench/results/NAME.json` keeps it. */
export interface BenchRow {
  what: string;
  /** Median of the rounds. */
  value: number;
  unit: string;
  /** Median of the yardstick's rounds, in the same unit; null where the goal is a plain figure. */
  yardstick: number | null;
  /** value ÷ yardstick. */
  ratio: number | null;
  yardstickWhat: string | null;
  rounds: number;
  min: number;
  max: number;
  yardstickMin: number | null;
  yardstickMax: number | null;
  goal: Goal | null;
  /** Null without a goal. */
  met: boolean | null;
}

export interface BenchContext {
  /** An empty folder on the disk that is measured; removed in the end. */
  dataDir: string;
  /** At least 5. */
  rounds: number;
  /** A PostgreSQL server of the user's own (`DATABASE_URL`); absent: an embedded one. */
  databaseUrl: string | undefined;
  signal: AbortSignal;
  /** What is going on, for people. */
  note(line: string): void;
}

/** Measures; whether a goal was met is told by its rows and is no reason to throw. */
export type Bench = (context: BenchContext) => Promise<BenchRow[]>;

export interface RowOf {
  what: string;
  unit: string;
  /** One figure a round. */
  samples: readonly number[];
  yardstick?: { what: string; samples: readonly number[] };
  goal?: Goal;
}

/** A row from the figures of its rounds: medians, and how far they lay apart. */
export function benchRow({ what, unit, samples, yardstick, goal }: RowOf): BenchRow {
  const value = median(samples);
  const measure = yardstick === undefined ? null : median(yardstick.samples);
  const ratio = measure === null ? null : round(value / measure);
  return {
    what,
    value: round(value),
    unit,
    yardstick: measure === null ? null : round(measure),
    ratio,
    yardstickWhat: yardstick?.what ?? null,
    rounds: samples.length,
    min: round(Math.min(...samples)),
    max: round(Math.max(...samples)),
    yardstickMin: yardstick === undefined ? null : round(Math.min(...yardstick.samples)),
    yardstickMax: yardstick === undefined ? null : round(Math.max(...yardstick.samples)),
    goal: goal ?? null,
    met: goal === undefined ? null : isMet(goal, value, ratio),
  };
}

function isMet(goal: Goal, value: number, ratio: number | null): boolean {
  const measured = goal.of === 'value' ? value : ratio;
  if (measured === null) throw new Error('a goal for a ratio, and no yardstick');
  return 'atLeast' in goal ? measured >= goal.atLeast : measured <= goal.atMost;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new Error('nothing was measured');
  return (lower + upper) / 2;
}

/** The sample below which `share` of them lie: 0.99 for p99. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const found = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new Error('nothing was measured');
  return found;
}

/** Four digits: more were noise. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}

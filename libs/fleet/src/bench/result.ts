import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { BenchRow, Goal } from './bench.js';
import type { Machine } from './machine.js';

/** `bench/results/NAME.json`. */
export interface BenchResult {
  machine: Machine;
  /** Of the disk that was measured, in the same run: median, and p99. */
  fdatasyncMs: number;
  fdatasyncMsP99: number;
  rows: readonly BenchRow[];
}

/** Renamed into place: whoever reads it reads a whole one. */
export function writeResult(folder: string, name: string, result: BenchResult): string {
  const file = join(folder, `${name}.json`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new EnvironmentFailure(`cannot write ${file}: ${(error as Error).message}`);
  }
  return file;
}

const HEADINGS = ['what', 'median', 'min – max', 'yardstick', 'ratio', 'goal', ''];
/** The first and the last are words, the others figures. */
const WORD_COLUMNS = [0, 5, 6];

/** For people: the machine, the disk, a line for each row. */
export function tableOf({ machine, fdatasyncMs, fdatasyncMsP99, rows }: BenchResult): string {
  const { cpus, model, memoryGb, os, node } = machine;
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_heading, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => pad(cell, at, widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const yardsticks = rows.filter(({ yardstickWhat }) => yardstickWhat !== null);
  return [
    `${cpus} × ${model}, ${memoryGb} GB, ${os}, Node ${node}; fdatasync ${fdatasyncMs} ms, p99 ${fdatasyncMsP99} ms`,
    ...lines,
    ...yardsticks.map(({ what, yardstickWhat }) => `yardstick of "${what}": ${yardstickWhat}`),
  ].join('\n');
}

function cellsOf(row: BenchRow): string[] {
  return [
    row.what,
    `${row.value} ${row.unit}`,
    `${row.min} – ${row.max}`,
    row.yardstick === null ? '' : `${row.yardstick} ${row.unit}`,
    row.ratio === null ? '' : `${row.ratio} ×`,
    row.goal === null ? '' : describeGoal(row.goal, row.unit),
    row.met === null ? '' : row.met ? 'met' : 'MISSED',
  ];
}

function describeGoal(goal: Goal, unit: string): string {
  const bound = 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
  return `${bound} ${goal.of === 'ratio' ? '×' : unit}`;
}

function pad(cell: string, at: number, width: number): string {
  return WORD_COLUMNS.includes(at) ? cell.padEnd(width) : cell.padStart(width);
}

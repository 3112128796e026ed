import { readdirSync, readFileSync } from 'node:fs';
import { descendantsOf } from '../../process-table.js';

/** CPU time that each of these processes has taken so far, all threads, in µs; null where the machine does not say (only Linux does). */
export type CpuTimes = ReadonlyMap<number, number> | null;

export function cpuTimesUs(pids: readonly number[]): CpuTimes {
  if (process.platform !== 'linux') return null;
  return new Map(pids.map((pid) => [pid, threadsOf(pid).reduce((sum, thread) => sum + threadUs(pid, thread), 0)]));
}

/** What they have taken between: also those that have begun since, but none that ended, since its time went with it. */
export function spentUs(before: CpuTimes, after: CpuTimes): number | null {
  if (before === null || after === null) return null;
  let sum = 0;
  for (const [pid, us] of after) sum += us - (before.get(pid) ?? 0);
  return sum;
}

/** A server and the processes it has for its connections. */
export function withChildren(pid: number): number[] {
  return [pid, ...descendantsOf(pid)];
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Counted by the scheduler in nanoseconds; the ticks of `stat` miss what runs for less than one. */
function threadUs(pid: number, thread: string): number {
  try {
    const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return Number(ns) / 1_000;
  } catch {
    return 0;
  }
}

import { readdirSync, readFileSync } from 'node:fs';
import { descendantsOf } from '../../process-table.js';

/** CPU time that these processes have taken so far, all threads, in µs; null where the machine does not say (only Linux does). */
export function cpuTimeUs(pids: readonly number[]): number | null {
  if (process.platform !== 'linux') return null;
  return pids.reduce((sum, pid) => sum + threadsOf(pid).reduce((ofPid, thread) => ofPid + threadUs(pid, thread), 0), 0);
}

/** A server and the processes it has for its connections; what has ended since is not in it. */
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

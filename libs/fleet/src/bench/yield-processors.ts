import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * Lets a process of ours, which in the field has a machine of its own, take only what the others leave. On Linux a priority
 * is of a thread: each that runs, and those that they start later.
 */
export function yieldProcessors(pid: number): void {
  for (const thread of [pid, ...threadsOf(pid)]) {
    try {
      setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch (error) {
      // It has ended by itself.
      if (thread === pid) throw error;
    }
  }
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

import { readFileSync } from 'node:fs';
import { descendantsOf } from './process-table.js';

const KIB = 1024;

/** The most that a living process has ever had in memory, MiB; null where the machine does not say (only Linux does). */
export function peakMbOf(pid: number): number | null {
  return mb(fieldsOf(pid)?.['VmHWM']);
}

/** The most that this process has ever had in memory, MiB. */
export function ownPeakMb(): number {
  return Math.round(process.resourceUsage().maxRSS / KIB);
}

/**
 * What a process and its children hold at this moment, MiB: of memory that they share (PostgreSQL's buffers, its program) the largest
 * share counts, once. Their resident sizes added up would count the buffers again for each connection.
 */
export function treeMbOf(pid: number): number | null {
  const all = [pid, ...descendantsOf(pid)].map(fieldsOf).filter((fields) => fields !== null);
  if (all.length === 0) return null;
  const of = (name: string) => all.map((fields) => fields[name] ?? 0);
  const own = of('RssAnon').reduce((sum, kib) => sum + kib, 0);
  return mb(own + Math.max(...of('RssShmem')) + Math.max(...of('RssFile')));
}

/** Of /proc, in KiB. */
function fieldsOf(pid: number): Record<string, number> | null {
  if (process.platform !== 'linux') return null;
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm);
    return Object.fromEntries([...lines].map(([, name, kib]) => [name, Number(kib)]));
  } catch {
    return null;
  }
}

function mb(kib: number | undefined): number | null {
  return kib === undefined ? null : Math.round(kib / KIB);
}

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * What the machine says about a process that may not be our child: is it there, is it still the same one, what does it run.
 * Linux answers from /proc (a slim container has no `ps`), everything else from `ps`.
 */
const POLL_MS = 20;

interface ProcessStat {
  parentPid: number;
  state: string;
  startMark: string;
}

function statOf(pid: number): ProcessStat | null {
  if (process.platform === 'linux') {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The command, in parentheses, may itself hold spaces and parentheses: what follows the last one is regular.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return { state: fields[0] ?? '', parentPid: Number(fields[1]), startMark: fields[19] ?? '' };
    } catch {
      return null;
    }
  }
  const line = psLine(pid, 'ppid=,state=,lstart=');
  const match = line === null ? null : /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line);
  return match ? { parentPid: Number(match[1]), state: match[2] ?? '', startMark: (match[3] ?? '').trim() } : null;
}

function psLine(pid: number, columns: string): string | null {
  try {
    return (
      execFileSync('ps', ['-ww', '-o', columns, '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim() || null
    );
  } catch {
    return null;
  }
}

/** A mark that a later process with the same pid does not bear; null when there is no such process (or only its zombie). */
export function startMarkOf(pid: number): string | null {
  const stat = Number.isSafeInteger(pid) && pid > 1 ? statOf(pid) : null;
  return stat && !stat.state.startsWith('Z') ? stat.startMark : null;
}

/** The command line, arguments parted by spaces; null when there is no such process. */
export function commandOf(pid: number): string | null {
  if (startMarkOf(pid) === null) return null;
  if (process.platform !== 'linux') return psLine(pid, 'command=');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return null;
  }
}

/** Children, their children and so on, nearest first. */
export function descendantsOf(pid: number): number[] {
  const parents = parentTable();
  const found = [pid];
  for (const ancestor of found) {
    for (const [child, parent] of parents) if (parent === ancestor && !found.includes(child)) found.push(child);
  }
  return found.slice(1);
}

function parentTable(): Map<number, number> {
  const parents = new Map<number, number>();
  if (process.platform === 'linux') {
    for (const name of readdirSync('/proc')) {
      const stat = /^\d+$/.test(name) ? statOf(Number(name)) : null;
      if (stat) parents.set(Number(name), stat.parentPid);
    }
    return parents;
  }
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n')) {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    if (child && parent !== undefined) parents.set(child, parent);
  }
  return parents;
}

/** Sends a signal; a process that has already ended is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until the process has ended; false when it is still there after `boundMs`. */
export async function waitForEnd(pid: number, boundMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs <= boundMs; waitedMs += POLL_MS) {
    if (startMarkOf(pid) === null) return true;
    await pause(POLL_MS);
  }
  return false;
}

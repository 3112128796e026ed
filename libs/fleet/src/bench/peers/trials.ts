import { setTimeout as pause } from 'node:timers/promises';
import type { Loss, Subject, Transfer } from './subject.js';

const POLL_MS = 100;
const CARRIED_BYTES = 64 * 1024;
/** After it nothing more is expected of a client whose server has not got one sale more. */
const SETTLED_MS = 45_000;

/** As many of these sales as get over in that time. */
export async function timeTransfer(
  subject: Subject,
  sales: number,
  msMax: number,
  signal: AbortSignal,
): Promise<Transfer> {
  const had = await subject.countAtServer();
  await subject.fill(sales, signal);
  const before = subject.line.counters;
  const startedMs = performance.now();
  await subject.connect();
  const { idleS } = subject;
  const boundMs = msMax + idleS * 1000;
  const there = await untilThere(subject, had + sales, { msMax: boundMs, settledMs: boundMs }, signal);
  const seconds = (performance.now() - startedMs) / 1000 - idleS;
  const after = subject.line.counters;
  return {
    sales,
    arrived: there - had,
    seconds,
    idleS,
    upBytes: after.upBytes - before.upBytes,
    downBytes: after.downBytes - before.downBytes,
    resets: after.resets - before.resets,
  };
}

/**
 * Client and server are killed in the middle of it, one after the other: each as soon as the line has carried so much more,
 * or all, for those who need less.
 */
export async function tryKills(subject: Subject, msMax: number, signal: AbortSignal): Promise<Loss> {
  const all = (await subject.countAtServer()) + subject.trialSales;
  const bounds = { msMax, settledMs: SETTLED_MS };
  await subject.fill(subject.trialSales, signal);
  const carried = (): (() => boolean) => {
    const before = subject.line.counters.upBytes;
    return () => subject.line.counters.upBytes - before >= CARRIED_BYTES;
  };
  let isMiddle = carried();
  await subject.connect();
  await untilThere(subject, all, bounds, signal, isMiddle);
  isMiddle = carried();
  await subject.killClient();
  await untilThere(subject, all, bounds, signal, isMiddle);
  await subject.killServer();
  await untilThere(subject, all, bounds, signal);
  return subject.judge();
}

/** The server loses what came after a copy of it was made, and goes on from the copy. */
export async function tryRestore(subject: Subject, msMax: number, signal: AbortSignal): Promise<Loss> {
  const bounds = { msMax, settledMs: SETTLED_MS };
  await subject.copyServer();
  const had = await subject.countAtServer();
  await subject.fill(subject.trialSales, signal);
  await subject.connect();
  await untilThere(subject, had + subject.trialSales, bounds, signal);
  await subject.putServerBack();
  await untilThere(subject, had + subject.trialSales, bounds, signal);
  return subject.judge();
}

/** @returns how many there are at the server, when there are as many, or no more come, or the time is over */
async function untilThere(
  subject: Subject,
  sales: number,
  { msMax, settledMs }: { msMax: number; settledMs: number },
  signal: AbortSignal,
  isEnough: () => boolean = () => false,
): Promise<number> {
  const startedMs = performance.now();
  let known = 0;
  let changedMs = startedMs;
  for (;;) {
    // Just killed, or not up again yet: it is asked once more.
    const count = await subject.countAtServer().catch(() => known);
    const nowMs = performance.now();
    if (count !== known) changedMs = nowMs;
    known = count;
    if (isEnough() || known >= sales || nowMs - changedMs >= settledMs || nowMs - startedMs >= msMax) return known;
    await pause(POLL_MS, undefined, { signal });
  }
}

import { systemClock } from '@branchline/domain/clock.js';
import { SchedulerRegistry } from '@nestjs/schedule';
import { v7 } from 'uuid';
import { FEED_ROWS } from '../../feed-appliers.js';
import { readHead, type Head } from '../../store/journal.js';
import type { Store } from '../../store/store.js';
import { BY_NOBODY, enrolDevice } from '../../store/testing/store-fixture.js';
import { Replicator, type ReplicatorParts } from '../replicator.js';
import { readStreams, queueLength } from '../push-state.js';
import { syncStatus, type SyncStatus } from '../sync-status.js';

export type RunningReplicator = { replicator: Replicator; alarms: string[]; timers: SchedulerRegistry };

/** A replicator on a real store, with the short periods of a test. It has not started yet. */
export function replicatorOn(
  store: Store,
  hubUrl: string,
  overrides: Partial<ReplicatorParts> = {},
): RunningReplicator {
  const alarms: string[] = [];
  const timers = new SchedulerRegistry();
  const replicator = new Replicator({
    store,
    config: { hubUrl, pollMs: 100, pushLines: 50, requestTimeoutMs: 500, retryMsMin: 10, retryMsMax: 40 },
    kinds: FEED_ROWS,
    version: '0.0.0',
    newId: () => v7(),
    clock: systemClock,
    chance: () => 0.5,
    timers,
    logger: { error: (message: string) => void alarms.push(message) },
    ...overrides,
  });
  return { replicator, alarms, timers };
}

/** Journals that many facts. @returns their ids */
export async function journalFacts(store: Store, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => v7());
  await Promise.all(ids.map((id) => store.writer.execute(enrolDevice, { id, name: 'till' }, BY_NOBODY)));
  return ids;
}

export function headOf(store: Store): Head {
  const head = readHead(store.reads);
  if (head === null) throw new Error('nothing was journalled');
  return head;
}

export function queueOf(store: Store): number {
  return queueLength(readStreams(store.reads));
}

export function statusOf(store: Store, replicator: Replicator): SyncStatus {
  return syncStatus(store.reads, replicator.figures());
}

const EVENTUALLY_MS_MAX = 30_000;

/** Looks until it holds. @throws Error naming what did not come */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.now() + EVENTUALLY_MS_MAX;
  while (!(await holds())) {
    if (systemClock.now() > endMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

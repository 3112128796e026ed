import { journalAgain, type ForkAt } from '../store/journal-again.js';
import type { Store } from '../store/store.js';
import type { LocalWrite } from '../store/write-job.js';
import type { Stream } from './push-state.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

type Left = ForkAt & { incarnation: string; why: string };

/** Told in the transaction in which it is done: once it is, nobody who asks the hub finds that anything differed. */
export const journalTailAgain: LocalWrite<Left, SyncLogEntry> = {
  name: 'journal-again',
  run(tx, { incarnation, why, ...fork }, context) {
    const lines = journalAgain(tx, fork, context);
    const detail = `incarnation ${incarnation} ${why}. ${lines} lines were journalled again in a new incarnation; nothing is lost`;
    const entry: SyncLogEntry = { level: 'incident', event: 'fork', detail };
    writeEntries(tx, context.clock.now(), [entry]);
    return entry;
  },
};

/** What this file has of a history behind `commonSeq` goes on elsewhere; what the hub has there is fetched after it. */
export async function leaveHistory(
  { store, alarm }: { store: Store; alarm(message: string): void },
  { incarnation, incarnationNo }: Stream,
  commonSeq: number,
  why: string,
): Promise<void> {
  const { detail } = await store.writer.write(journalTailAgain, { incarnation, incarnationNo, commonSeq, why });
  alarm(detail);
}

import type { ReadTx, Tx } from '../store/tx.js';
import { forgetUntold, readUntold, type UntoldLines } from '../store/untold-lines.js';
import type { LocalWrite } from '../store/write-job.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

/**
 * What became of the lines that came since the last time, with what else there is to say: written and forgotten in one
 * transaction, so that each is told once whenever the process ends. @returns all that was written
 */
export function tellLines(tx: Tx, nowMs: number, others: readonly SyncLogEntry[]): SyncLogEntry[] {
  const entries = [...readUntold(tx).flatMap(toldOf), ...others];
  forgetUntold(tx);
  writeEntries(tx, nowMs, entries);
  return entries;
}

export const linesTold: LocalWrite<{ entries: readonly SyncLogEntry[] }, SyncLogEntry[]> = {
  name: 'lines-told',
  run: (tx, { entries }, { clock }) => tellLines(tx, clock.now(), entries),
};

export function isUntold(tx: ReadTx): boolean {
  return readUntold(tx).length > 0;
}

function toldOf({ incarnation, wasHeld, applied, doubled, known, differs }: UntoldLines): SyncLogEntry[] {
  const entries: SyncLogEntry[] = [];
  const fresh = applied + doubled;
  const taken =
    wasHeld === 1
      ? { event: 'lines-understood', detail: `${fresh} lines that were held are applied now, ${known} were known` }
      : { event: 'lines-fetched', detail: `${fresh} of ${incarnation} were new here, ${known} were known` };
  if (fresh + known > 0) entries.push({ level: 'info', ...taken });
  const whose = wasHeld === 1 ? 'that were held' : `of ${incarnation}`;
  if (doubled > 0) {
    const detail = `${doubled} sales ${whose} bear receipt numbers that others bear as well: both stand`;
    entries.push({ level: 'incident', event: 'duplicate-receipt-number', detail });
  }
  if (differs > 0) {
    const detail = `${differs} lines ${whose} tell with other content what stands here: it stands as it is`;
    entries.push({ level: 'incident', event: 'data-mismatch', detail });
  }
  return entries;
}

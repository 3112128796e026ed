import type { FetchedOutcome } from '../store/command.js';
import { applyHeld, isHeldLineBroke, NO_HELD_TRIED, type HeldTried } from '../store/late-lines.js';
import type { Store } from '../store/store.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

export type HeldParts = { store: Store; alarm(message: string): void };

/** What an older release held of the lines that were fetched, and this one can take. */
export async function takeHeldLines({ store, alarm }: HeldParts, signal: AbortSignal): Promise<void> {
  let skip: number[] = [];
  let broken = 0;
  const counts: Record<FetchedOutcome, number> = { ...NO_HELD_TRIED.counts };
  let from: HeldTried = NO_HELD_TRIED;
  while (!signal.aborted) {
    try {
      const { counts: taken } = await store.writer.background(applyHeld, { skip }, from, signal);
      for (const outcome of Object.keys(counts) as FetchedOutcome[]) counts[outcome] += taken[outcome];
      break;
    } catch (error) {
      // One line less each time: this ends. What slices before it took is committed, and told without its counts.
      if (!isHeldLineBroke(error)) throw error;
      const { position, after } = error;
      broken += 1;
      // Those before the slice are behind it for good.
      skip = [...skip.filter((each) => each > after), position];
      from = { ...NO_HELD_TRIED, after };
    }
  }
  const entries = toldOf(counts, broken);
  if (entries.length === 0) return;
  await store.writer.write(logSync, { entries });
  for (const { level, detail } of entries) if (level === 'incident') alarm(detail);
}

function toldOf({ applied, doubled, known, differs }: Record<FetchedOutcome, number>, broken: number): SyncLogEntry[] {
  const entries: SyncLogEntry[] = [];
  const understood = `${applied + doubled} lines that were held are applied now, ${known} were known`;
  if (applied + doubled + known > 0) entries.push({ level: 'info', event: 'lines-understood', detail: understood });
  const incident = (event: string, detail: string): number => entries.push({ level: 'incident', event, detail });
  if (doubled > 0)
    incident(
      'duplicate-receipt-number',
      `${doubled} sales that were held bear receipt numbers that others bear as well: both stand`,
    );
  if (differs > 0)
    incident(
      'data-mismatch',
      `${differs} lines that were held tell with other content what stands here: it stands as it is`,
    );
  if (broken > 0) incident('line-held', `${broken} lines that were held would not go in, and stay held`);
  return entries;
}

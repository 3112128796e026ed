import { applyHeld, isHeldLineBroke, NO_HELD_TRIED, type HeldTried } from '../store/late-lines.js';
import type { Store } from '../store/store.js';
import { isUntold, linesTold } from './lines-told.js';
import type { SyncLogEntry } from './sync-log.js';

export type HeldParts = { store: Store; alarm(message: string): void };

/**
 * What an older release held of the lines that were fetched, and this one can take. Told of with it is what this edge did not
 * come to tell before it was ended.
 */
export async function takeHeldLines({ store, alarm }: HeldParts, signal: AbortSignal): Promise<void> {
  let skip: number[] = [];
  let broken = 0;
  let from: HeldTried = NO_HELD_TRIED;
  while (!signal.aborted) {
    try {
      await store.writer.background(applyHeld, { skip }, from, signal);
      break;
    } catch (error) {
      // One line less each time: this ends.
      if (!isHeldLineBroke(error)) throw error;
      const { position, after } = error;
      broken += 1;
      // Those before the slice are behind it for good.
      skip = [...skip.filter((each) => each > after), position];
      from = { after };
    }
  }
  if (broken === 0 && !isUntold(store.reads)) return;
  const detail = `${broken} lines that were held would not go in, and stay held`;
  const entries: SyncLogEntry[] = broken === 0 ? [] : [{ level: 'incident', event: 'line-held', detail }];
  for (const told of await store.writer.write(linesTold, { entries }))
    if (told.level === 'incident') alarm(told.detail);
}

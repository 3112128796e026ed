import type { FeedPage } from '@branchline/replication/feed.js';
import type { Store } from '../store/store.js';
import { readCursor, readCursors, type FeedCursor } from './feed-cursors.js';
import { applyFeed, holdRecord, isRecordNotApplied, releasesReady } from './feed-applying.js';
import { CorruptPage, stageFeed, verifyPage, type StagedSoFar } from './feed-staging.js';
import { areTakesUnsettled, dropTakes, retakeScope, showTakes, type RowsOfKinds } from './feed-takes.js';
import type { HubClient } from './hub-client.js';
import { Refusal } from './hub-failure.js';
import type { MeetHub } from './meet-hub.js';
import type { PersonKeyExchange } from './person-key-exchange.js';

export type PullParts = {
  store: Store;
  hub: HubClient;
  meet: MeetHub;
  kinds: RowsOfKinds;
  keys: PersonKeyExchange;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
};

/** Pages of one scope in a row; then the others get their turn, and a round that has more follows at once. */
const PAGES_IN_A_ROUND_MAX = 200;

/** Fetches what is new in each scope, stages it, applies what is ready. A scope in trouble does not hold up the others. */
export class PullRound {
  constructor(
    private readonly parts: PullParts,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns whether there is more to fetch @throws LineFailure; or, after all scopes had their turn, the first refusal */
  async run(): Promise<boolean> {
    const { store, meet } = this.parts;
    // What an earlier run staged and did not come to apply.
    await this.applyReady();
    await meet.ifDue();
    let more = false;
    let refused: unknown = null;
    for (const { scope } of readCursors(store.reads)) {
      try {
        more = (await this.pullScope(scope)) || more;
      } catch (error) {
        if (!isOfScope(error)) throw error;
        refused ??= error;
      }
    }
    await this.applyReady();
    await this.showWhole(refused === null && !more);
    await this.parts.keys.run();
    if (refused !== null) throw refused;
    return more;
  }

  /** Shows what is whole; after it what was held back of releases goes in, and what nobody sees any more goes. */
  private async showWhole(roundIsWhole: boolean): Promise<void> {
    const { store, kinds } = this.parts;
    if (!areTakesUnsettled(store.reads)) return;
    const { shown } = await store.writer.write(showTakes, { roundIsWhole });
    if (shown) await this.applyReady();
    await store.writer.background(dropTakes(kinds), null, null, this.signal);
  }

  private async pullScope(scope: string): Promise<boolean> {
    for (let pages = 0; pages < PAGES_IN_A_ROUND_MAX; pages++) {
      const cursor = readCursor(this.parts.store.reads, scope);
      if (cursor === undefined || this.signal.aborted) return false;
      const page = await this.ask(cursor);
      if (page === null) continue;
      this.parts.onContact();
      await verifyPage(cursor, page);
      const followed = await this.stage(cursor, page);
      const last = page.records.at(-1)?.number ?? cursor.number;
      if (followed && (last >= page.newest || page.records.length === 0)) return false;
      if (page.records.length > 0) await this.applyReady();
    }
    return true;
  }

  /** @returns null when the scope is to be taken again from its start */
  private async ask(cursor: FeedCursor): Promise<FeedPage | null> {
    try {
      const page = await this.parts.hub.feed(cursor);
      if (cursor.hubEpoch === null || cursor.hubEpoch === page.hubEpoch) return page;
      await this.retake(cursor, 'the hub was restored from a backup or changed');
      return null;
    } catch (error) {
      // At 0 there is nothing to part from: a hub that still says fork is one to wait for.
      if (!(error instanceof Refusal) || error.code !== 'feed-fork' || cursor.number === 0) throw error;
      await this.retake(cursor, 'the hub does not know this history of it');
      return null;
    }
  }

  private async retake({ take, scope }: FeedCursor, why: string): Promise<void> {
    const detail = `${scope} is taken again from its start, whatever the versions here: ${why}`;
    const { store, alarm } = this.parts;
    const entries = [{ level: 'incident' as const, event: 'feed-fork', detail }];
    await store.writer.write(retakeScope, { take, scope, entries });
    alarm(detail);
  }

  /** @returns false when the cursor was set anew meanwhile: the page is from another life */
  private async stage(asked: FeedCursor, page: FeedPage): Promise<boolean> {
    const { store, alarm } = this.parts;
    const unmoved = page.records.length === 0 && asked.newest === page.newest && asked.hubEpoch === page.hubEpoch;
    if (unmoved) return true;
    const place = { at: 0, number: asked.number, hash: asked.hash };
    const start: StagedSoFar = { place, held: [], followed: true };
    const { held, followed } = await store.writer.background(stageFeed, { take: asked.take, page }, start);
    if (held.length > 0) alarm(`${held.length} records of ${asked.scope} are held: ${held[0]}`);
    return followed;
  }

  private async applyReady(): Promise<void> {
    const { store } = this.parts;
    await this.applyAll(null);
    for (const release of releasesReady(store.reads)) await this.applyAll(release);
  }

  private async applyAll(release: string | null): Promise<void> {
    const { store, kinds, alarm } = this.parts;
    for (;;) {
      try {
        await store.writer.background(applyFeed(kinds), { release }, null, this.signal);
        return;
      } catch (error) {
        // One record less each time: this ends.
        if (!isRecordNotApplied(error)) throw error;
        const { no, message: detail } = error;
        await store.writer.write(holdRecord, { no, entries: [{ level: 'incident', event: 'feed-held', detail }] });
        alarm(detail);
      }
    }
  }
}

/** Trouble with one scope; anything else is the line's, the box's or this program's, and ends the round. */
function isOfScope(error: unknown): boolean {
  if (error instanceof CorruptPage) return true;
  return (
    error instanceof Refusal &&
    ['not-yours', 'feed-fork', 'feed-gone', 'not-found', 'invalid-field'].includes(error.code)
  );
}

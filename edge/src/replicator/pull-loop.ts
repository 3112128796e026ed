import type { FeedPage } from '@branchline/replication/feed.js';
import type { Store } from '../store/store.js';
import { parsedSettings } from '../tills/branch-settings.js';
import { readCursor, readCursors, type FeedCursor } from './feed-cursors.js';
import { applyFeed, holdRecord, isRecordNotApplied, releasesReady } from './feed-applying.js';
import { CorruptPage, stageFeed, verifyPage, type StagedSoFar } from './feed-staging.js';
import { areTakesUnsettled, dropTakes, retakeScope, showTakes, type RowsOfKinds } from './feed-takes.js';
import { Refusal } from './hub-failure.js';
import { readHubEpoch } from './learn-streams.js';
import { writeCorrections } from './write-corrections.js';
import type { MeetHub } from './meet-hub.js';
import type { PersonKeyExchange } from './person-key-exchange.js';
import { reviewHeld } from './review-held.js';
import { CorruptSnapshot, type SnapshotSource } from './snapshot-file.js';
import { dropOldSnapshots, takeSnapshot } from './snapshot-taking.js';

export type FeedSource = { feed(cursor: FeedCursor): Promise<FeedPage> };

export type PullParts = {
  store: Store;
  /** Who is asked for pages: the hub, or a bundle that came from it. */
  hub: FeedSource & SnapshotSource;
  meet: Pick<MeetHub, 'ifDue' | 'makeDue'>;
  kinds: RowsOfKinds;
  keys: Pick<PersonKeyExchange, 'run'>;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
};

/** Pages of one scope in a row; then the others get their turn, and a round that has more follows at once. */
const PAGES_IN_A_ROUND_MAX = 200;

/** Fetches what is new in each scope, stages it, applies what is ready. A scope in trouble does not hold up the others. */
export class PullRound {
  private settingsSeen = '';
  private hasLookedForOldFiles = false;
  private hasReviewedHeld = false;

  constructor(
    private readonly parts: PullParts,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns whether there is more to fetch @throws LineFailure; or, after all scopes had their turn, the first refusal */
  async run(): Promise<boolean> {
    const { store, meet } = this.parts;
    // What an earlier run held, perhaps of an older release; and what it staged and did not come to apply.
    if (!this.hasReviewedHeld) await store.writer.background(reviewHeld, null, { afterNo: 0 }, this.signal);
    this.hasReviewedHeld = true;
    await this.applyReady();
    await writeCorrections(store, this.parts.alarm);
    if (!this.hasLookedForOldFiles) await dropOldSnapshots(store.reads);
    this.hasLookedForOldFiles = true;
    await meet.ifDue();
    let more = false;
    let refused: unknown = null;
    for (const { scope, turn } of inTurn(readCursors(store.reads))) {
      try {
        // A new store need not wait for its customers to sell.
        if (turn === TURNS.length) await this.showInBetween();
        more = (await this.pullScope(scope)) || more;
      } catch (error) {
        if (!isOfScope(error)) throw error;
        refused ??= error;
      }
    }
    await this.applyReady();
    await this.showWhole(refused === null && !more);
    await this.parts.keys.run();
    await writeCorrections(store, this.parts.alarm);
    if (this.hasMoved()) {
      meet.makeDue();
      return true;
    }
    if (refused !== null) throw refused;
    return more;
  }

  /** Settings that came name other scopes than are followed: the hub is asked at once, once for each. */
  private hasMoved(): boolean {
    const { reads } = this.parts.store;
    const text = reads.get<{ body: string }>('SELECT body FROM branch_setting')?.body;
    if (text === undefined || text === this.settingsSeen) return false;
    this.settingsSeen = text;
    const { region, priceZone, assortment } = parsedSettings(text);
    const followed = new Set(readCursors(reads).map(({ scope }) => scope));
    return [`region:${region}`, `zone:${priceZone}`, `assortment:${assortment}`].some((scope) => !followed.has(scope));
  }

  private async showInBetween(): Promise<void> {
    await this.applyReady();
    await this.showWhole(false);
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
    await this.beginScope(scope);
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

  /** What has just been joined, or is taken again, begins with a snapshot where the hub has one. */
  private async beginScope(scope: string): Promise<void> {
    const cursor = readCursor(this.parts.store.reads, scope);
    if (cursor === undefined || cursor.number > 0 || cursor.hubEpoch !== null) return;
    const outcome = await takeSnapshot(this.parts, cursor, this.signal);
    if (outcome !== 'none') this.parts.onContact();
    if (outcome !== 'half') return;
    // What it began with must not mix with another: a taking of its own, which nothing has begun to fill.
    await this.parts.store.writer.write(retakeScope, { ...cursor, entries: [] });
    await this.beginScope(scope);
  }

  /** @returns null when the scope is to be taken again from its start */
  private async ask(cursor: FeedCursor): Promise<FeedPage | null> {
    try {
      const page = await this.parts.hub.feed(cursor);
      if (cursor.hubEpoch === null || cursor.hubEpoch === page.hubEpoch) return page;
      await this.retake(cursor, 'the hub was restored from a backup or changed');
      await this.meetAnew(page.hubEpoch);
      return null;
    } catch (error) {
      // Where nothing has come there is nothing to part from: a hub that still says so is one to wait for.
      if (!(error instanceof Refusal) || (cursor.number === 0 && cursor.hubEpoch === null)) throw error;
      if (error.code === 'feed-fork') await this.retake(cursor, 'the hub does not know this history of it');
      else if (error.code === 'feed-gone') await this.catchUp(cursor, error.detail);
      else throw error;
      return null;
    }
  }

  /** What it has lost may be of this branch, too: hello finds out, and not in ten minutes. Once for all scopes. */
  private async meetAnew(hubEpoch: string): Promise<void> {
    const { store, meet } = this.parts;
    if (readHubEpoch(store.reads) === hubEpoch) return;
    meet.makeDue();
    await meet.ifDue();
  }

  private async retake({ take, scope }: FeedCursor, why: string): Promise<void> {
    const detail = `${scope} is taken again from its start, whatever the versions here: ${why}`;
    const { store, alarm } = this.parts;
    const entries = [{ level: 'incident' as const, event: 'feed-fork', detail }];
    await store.writer.write(retakeScope, { take, scope, entries });
    alarm(detail);
    await this.beginScope(scope);
  }

  /** Away for longer than the hub keeps what was superseded: nothing is wrong. */
  private async catchUp({ take, scope }: FeedCursor, why: string): Promise<void> {
    const entries = [
      { level: 'info' as const, event: 'feed-gone', detail: `${scope} is taken as it stands now: ${why}` },
    ];
    await this.parts.store.writer.write(retakeScope, { take, scope, entries });
    await this.beginScope(scope);
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

/** What a sale needs comes first; before the prices nobody sells, and nothing holds up what is taken in. */
const TURNS = ['branch', 'tenant', 'assortment', 'zone'];

function inTurn(cursors: readonly FeedCursor[]): { scope: string; turn: number }[] {
  const placed = cursors.map(({ scope }) => {
    const turn = TURNS.indexOf(scope.split(':', 1)[0] ?? '');
    return { scope, turn: turn === -1 ? TURNS.length : turn };
  });
  return placed.sort((a, b) => a.turn - b.turn);
}

/** Trouble with one scope; anything else is the line's, the box's or this program's, and ends the round. */
function isOfScope(error: unknown): boolean {
  if (error instanceof CorruptPage || error instanceof CorruptSnapshot) return true;
  return (
    error instanceof Refusal &&
    ['not-yours', 'feed-fork', 'feed-gone', 'not-found', 'invalid-field'].includes(error.code)
  );
}

import type { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordLabel, RecordPlace } from '@branchline/replication/bundle-records.js';
import { feedPageSchema, type FeedPage } from '@branchline/replication/feed.js';
import type { SnapshotTaker } from './hub-client.js';
import type { FeedCursor } from './feed-cursors.js';
import { CorruptPage } from './feed-staging.js';
import { Refusal } from './hub-failure.js';

type Labelled<Kind extends RecordLabel['kind']> = RecordPlace & { label: Extract<RecordLabel, { kind: Kind }> };
type PagePlace = Labelled<'page'>;
type PartPlace = Labelled<'snapshot'>;

/**
 * The pages and snapshots of a bundle, asked for as those of the hub are (`PullRound`): the same code proves, stages and
 * applies them. Whatever a bundle lacks it has nothing new of, and it takes nothing back: an older one is read in vain.
 */
export class BundleHub {
  private readonly pages: readonly PagePlace[];
  private readonly parts: readonly PartPlace[];
  /** Scopes of which there are pages that do not follow what is here, or a snapshot that is not whole here yet. */
  readonly gaps = new Set<string>();

  /** @param isNewest nothing that was made later has come: what it says of another life of the hub is news */
  constructor(
    private readonly file: BundleFile,
    places: readonly RecordPlace[],
    private readonly isNewest: boolean,
  ) {
    this.pages = places.filter((place): place is PagePlace => place.label?.kind === 'page');
    this.parts = places.filter((place): place is PartPlace => place.label?.kind === 'snapshot');
  }

  /** @throws Refusal `not-found` when nothing is known of a scope of which nothing is here either; `feed-gone` */
  async feed(cursor: FeedCursor): Promise<FeedPage> {
    const { scope, number, hubEpoch } = cursor;
    const ofScope = this.pages.filter(({ label }) => label.scope === scope);
    const following = ofScope.find(({ label }) => label.first <= number + 1 && label.last > number);
    if (following === undefined) this.assertNotBegun(cursor);
    const place = following ?? ofScope.find(({ label }) => label.last <= number);
    if (place === undefined && ofScope.length > 0) this.gaps.add(scope);
    if (place === undefined) return this.nothingNew(cursor);
    const { data: page } = feedPageSchema.safeParse(await this.file.readJson(place));
    if (page === undefined) throw new CorruptPage(`a page of ${scope} is none`);
    if (hubEpoch !== null && page.hubEpoch !== hubEpoch) {
      // The scope is then asked for again, from its start.
      const isNews = this.isNewest && this.hasStart(scope);
      return isNews ? { ...page, records: [] } : this.nothingNew(cursor);
    }
    return { ...page, newest: Math.max(page.newest, cursor.newest), records: this.after(cursor, page) };
  }

  /**
   * As much of the file as the bundle has behind what is here. The rest comes with the next bundle, or by line.
   * @throws Refusal where that is not the whole of it
   */
  async snapshot(scope: string, headers: Readonly<Record<string, string>>, taker: SnapshotTaker): Promise<void> {
    const [first, ...others] = this.parts.filter(({ label }) => label.scope === scope);
    if (first === undefined) throw refused('no-snapshot', 404, `nothing of ${scope} in this bundle`);
    this.gaps.add(scope);
    const { fileSha256, fileBytes, facts } = first.label;
    const etag = `"${fileSha256}"`;
    const [, have = ''] = /^bytes=(\d+)-$/.exec(headers['range'] ?? '') ?? [];
    const begun = headers['if-range'];
    if (begun !== undefined && begun !== etag && !this.isNewest)
      throw refused('no-snapshot', 404, `a newer snapshot of ${scope} has begun to come`);
    let at = begun === etag ? Number(have) : 0;
    if (first.label.from > at) throw refused('no-snapshot', 404, `the beginning of ${scope} is in another bundle`);
    await taker.onHead({ status: at > 0 ? 206 : 200, etag, encoding: 'br', length: fileBytes, facts });
    for (const place of [first, ...others]) {
      const { label, bodyBytes } = place;
      if (label.fileSha256 !== fileSha256 || label.from > at || label.from + bodyBytes <= at) continue;
      const piece = (await this.file.read(place)).subarray(at - label.from);
      await taker.onPiece(piece);
      at += piece.length;
    }
    if (at < fileBytes) throw refused('no-snapshot', 404, `of ${scope} ${at} bytes of ${fileBytes} have come`);
    this.gaps.delete(scope);
  }

  /** Where the bundle begins a scope with a snapshot, what follows in it follows only that. @throws Refusal */
  private assertNotBegun({ scope, number, hubEpoch }: FeedCursor): void {
    const facts = this.parts.find(({ label }) => label.scope === scope)?.label.facts;
    if (facts === undefined) return;
    if (hubEpoch === null) throw refused('not-found', 404, `the snapshot of ${scope} is not whole here`);
    if (this.isNewest && (facts.number > number || facts.hubEpoch !== hubEpoch))
      throw refused('feed-gone', 410, `this bundle has ${scope} as it stands, and not what followed ${number}`);
  }

  private hasStart(scope: string): boolean {
    return (
      this.pages.some(({ label }) => label.scope === scope && label.first === 1 && label.last > 0) ||
      this.parts.some(({ label }) => label.scope === scope)
    );
  }

  private nothingNew({ scope, hubEpoch, newest }: FeedCursor): FeedPage {
    if (hubEpoch !== null) return { scope, hubEpoch, records: [], newest };
    throw refused('not-found', 404, `nothing of ${scope} in this bundle`);
  }

  /** What follows the cursor; nothing when the page tells another story up to there. */
  private after({ scope, number, hash }: FeedCursor, { records }: FeedPage): FeedPage['records'] {
    const here = records.find((record) => record.number === number);
    if (here === undefined || here.hash === hash) return records.filter((record) => record.number > number);
    this.gaps.add(scope);
    return [];
  }
}

function refused(code: 'not-found' | 'no-snapshot' | 'feed-gone', status: number, detail: string): Refusal {
  return new Refusal({ status, code, detail, retryAfterMs: null, extension: {} });
}

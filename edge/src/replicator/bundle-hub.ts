import type { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordLabel, RecordPlace } from '@branchline/replication/bundle-records.js';
import { feedPageSchema, type FeedPage } from '@branchline/replication/feed.js';
import type { FeedCursor } from './feed-cursors.js';
import { CorruptPage } from './feed-staging.js';
import { Refusal } from './hub-failure.js';

type PagePlace = RecordPlace & { label: Extract<RecordLabel, { kind: 'page' }> };

/**
 * The pages of a bundle, asked for as those of the hub are (`PullRound`): the same code proves, stages and applies them.
 * Whatever a bundle lacks it has nothing new of, and it takes nothing back: an older one is read in vain.
 */
export class BundleHub {
  private readonly pages: readonly PagePlace[];
  /** Scopes of which there are pages that do not follow what is here. */
  readonly gaps = new Set<string>();

  /** @param isNewest none that was made later has been taken in: what it says of another life of the hub is news */
  constructor(
    private readonly file: BundleFile,
    places: readonly RecordPlace[],
    private readonly isNewest: boolean,
  ) {
    this.pages = places.filter((place): place is PagePlace => place.label?.kind === 'page');
  }

  /** @throws Refusal `not-found` when nothing is known of a scope of which nothing is here either */
  async feed(cursor: FeedCursor): Promise<FeedPage> {
    const { scope, number, hubEpoch } = cursor;
    const ofScope = this.pages.filter(({ label }) => label.scope === scope);
    const place =
      ofScope.find(({ label }) => label.first <= number + 1 && label.last > number) ??
      ofScope.find(({ label }) => label.last <= number);
    if (place === undefined && ofScope.length > 0) this.gaps.add(scope);
    if (place === undefined) return this.nothingNew(cursor);
    const { data: page } = feedPageSchema.safeParse(await this.file.readJson(place));
    if (page === undefined) throw new CorruptPage(`a page of ${scope} is none`);
    if (hubEpoch !== null && page.hubEpoch !== hubEpoch) {
      // The scope is then asked for again, from its start.
      const isNews = this.isNewest && ofScope.some(({ label }) => label.first === 1 && label.last > 0);
      return isNews ? { ...page, records: [] } : this.nothingNew(cursor);
    }
    return { ...page, newest: Math.max(page.newest, cursor.newest), records: this.after(cursor, page) };
  }

  /** @throws Refusal: pages are all there is */
  snapshot(scope: string): Promise<void> {
    return Promise.reject(refused('no-snapshot', scope));
  }

  private nothingNew({ scope, hubEpoch, newest }: FeedCursor): FeedPage {
    if (hubEpoch !== null) return { scope, hubEpoch, records: [], newest };
    throw refused('not-found', scope);
  }

  /** What follows the cursor; nothing when the page tells another story up to there. */
  private after({ scope, number, hash }: FeedCursor, { records }: FeedPage): FeedPage['records'] {
    const here = records.find((record) => record.number === number);
    if (here === undefined || here.hash === hash) return records.filter((record) => record.number > number);
    this.gaps.add(scope);
    return [];
  }
}

function refused(code: 'not-found' | 'no-snapshot', scope: string): Refusal {
  const detail = `nothing of ${scope} in this bundle`;
  return new Refusal({ status: 404, code, detail, retryAfterMs: null, extension: {} });
}

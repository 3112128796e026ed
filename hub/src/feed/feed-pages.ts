import { createHash } from 'node:crypto';
import { FEED_PAGE_RECORDS_MAX } from '@branchline/replication/feed.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { BytesCache } from './bytes-cache.js';
import { compressed, encodingFor, type Encoding } from './compress.js';
import { readPage, type FeedStand } from './read-feed.js';

/** A page as it is sent. `etag`: of these bytes. */
export type PageToSend = { bytes: Buffer; encoding: Encoding | null; etag: string };

/** All pages that a rush of boxes asks for at once, some hundred of them. */
const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** Made once for all boxes: a third smaller than what is made for one moment, at ten times its price. */
const SEGMENT_BROTLI_QUALITY = 9;

/** `hasMore`: the scope goes on after it. */
type Wanted = { after: number; last: number; hasMore: boolean };

/**
 * What a reader after a number is sent: the rest of the range of 1,000 that it stands in, so that readers come into step
 * and the next range is the same for all of them. A full range is a segment: it never changes, is compressed once and kept
 * in the database for every box and every hub process. What is newer is made when the first of those who wait for the same
 * asks, and remembered here: boxes that have caught up all stand at one number.
 */
export class FeedPages {
  private readonly cache = new BytesCache<PageToSend>(CACHE_BYTES_MAX, ({ bytes }) => bytes.length);
  private readonly making = new Map<string, Promise<PageToSend>>();

  constructor(private readonly database: Database) {}

  /** For a reader whose right to the scope, and whose place in it, were looked at by the caller. */
  async page(tenantId: string, stand: FeedStand, after: number, accepted: string | undefined): Promise<PageToSend> {
    const encoding = encodingFor(accepted);
    const { scope, hubEpoch, newest, last, hashAtLast } = stand;
    const wanted = { after, last, hasMore: newest > last };
    // The hash at its end stands for all that is in it: what a hub that was restored says anew is another page.
    const key = JSON.stringify([tenantId, hubEpoch, scope, after, hashAtLast, wanted.hasMore, encoding]);
    const known = this.cache.get(key);
    if (known !== undefined) return known;
    const running = this.making.get(key);
    if (running !== undefined) return running;
    const made = this.make(tenantId, stand, wanted, encoding).finally(() => this.making.delete(key));
    this.making.set(key, made);
    const page = await made;
    this.cache.set(key, page);
    return page;
  }

  private make(tenantId: string, stand: FeedStand, wanted: Wanted, encoding: Encoding | null): Promise<PageToSend> {
    return this.database.transaction(tenantId, async (tx) => {
      if (!isSegment(wanted) || encoding === null) return toSend(await pageBytes(tx, stand, wanted), encoding);
      const kept = await readSegment(tx, stand, wanted.after, encoding);
      if (kept !== undefined) return { bytes: kept, encoding, etag: etagOf(kept) };
      const page = await toSend(await pageBytes(tx, stand, wanted), encoding, SEGMENT_BROTLI_QUALITY);
      if (page.encoding !== null) await storeSegment(tx, stand, wanted.after, page.encoding, page.bytes);
      return page;
    });
  }
}

/**
 * A page that ends a range says that there is more, and so is one for all times only when there is: its reader asks on as
 * long as `newest` is ahead of it.
 */
function isSegment({ after, last, hasMore }: Wanted): boolean {
  return after % FEED_PAGE_RECORDS_MAX === 0 && last - after === FEED_PAGE_RECORDS_MAX && hasMore;
}

async function pageBytes(tx: Tx, stand: FeedStand, { after, last }: Wanted): Promise<Buffer> {
  return Buffer.from(JSON.stringify(await readPage(tx, stand, after, last)), 'utf8');
}

async function toSend(bytes: Buffer, encoding: Encoding | null, brotliQuality?: number): Promise<PageToSend> {
  const sent = await compressed(bytes, encoding, brotliQuality);
  return { ...sent, etag: etagOf(sent.bytes) };
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url')}"`;
}

type Segmented = Pick<FeedStand, 'scope' | 'hubEpoch'>;

async function readSegment(
  tx: Tx,
  { scope, hubEpoch }: Segmented,
  after: number,
  encoding: Encoding,
): Promise<Buffer | undefined> {
  const [row] = await tx.query<{ bytes: Buffer }>(
    'SELECT bytes FROM feed_segment WHERE scope = $1 AND hub_epoch = $2 AND after_number = $3 AND encoding = $4',
    [scope, hubEpoch, after, encoding],
  );
  return row?.bytes;
}

async function storeSegment(
  tx: Tx,
  { scope, hubEpoch }: Segmented,
  after: number,
  encoding: Encoding,
  bytes: Buffer,
): Promise<void> {
  await tx.execute(
    `INSERT INTO feed_segment (tenant_id, scope, hub_epoch, after_number, encoding, bytes) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT DO NOTHING`,
    [tx.tenantId, scope, hubEpoch, after, encoding, bytes],
  );
}

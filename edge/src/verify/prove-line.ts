import { FEED_ROWS } from '../feed-appliers.js';
import { readCursors, type FeedCursor } from '../replicator/feed-cursors.js';
import { CorruptPage } from '../replicator/feed-staging.js';
import { retakeScope } from '../replicator/feed-takes.js';
import { LineFailure, Refusal } from '../replicator/hub-failure.js';
import type { FeedAtRest } from '../replicator/replicator.js';
import type { Store } from '../store/store.js';
import { addFindings, Finder, type Findings } from './findings.js';
import type { EdgeVerification } from './last-verification.js';
import { proveFeed, type FeedProof } from './prove-feed.js';
import type { Jobs } from './prove-journal.js';
import { askHub, judgeHub, type ProvedPlace } from './prove-hub.js';
import { removalOf, repairFeed } from './repair-feed.js';
import type { VerifyJobs } from './verify-jobs.js';

export type LineParts = FeedAtRest & {
  store: Store;
  jobs: Jobs<VerifyJobs>;
  version: string;
  breathe(): Promise<void>;
};

export type LineProof = Pick<EdgeVerification, 'hub' | 'feeds' | 'repaired'> & {
  provedTo: ProvedPlace;
  /** What a hub that was busy has asked for; null: it was not, or named no time. */
  retryAfterMs: number | null;
  findings: Findings;
};

/**
 * What takes the hub to say: of this box's histories, and of its feeds, whose rows are put right where they differ. A hub
 * that is away or has no room proves nothing and is no difference; nor is a refusal, which the loops tell of.
 */
export async function proveLine(parts: LineParts): Promise<LineProof> {
  const finder = new Finder();
  const { findings } = finder;
  const proof: LineProof = { hub: 'asked', provedTo: null, feeds: [], repaired: 0, retryAfterMs: null, findings };
  try {
    await askOfHistories(parts, proof);
    await parts.pull();
    for (const cursor of readCursors(parts.store.reads)) await askOfFeed(parts, cursor, proof);
  } catch (error) {
    if (error instanceof CorruptPage) finder.add('hub-feed', error.message);
    else if (error instanceof LineFailure) proof.hub = 'away';
    else if (error instanceof Refusal) noteRefusal(proof, error);
    else throw error;
  }
  return proof;
}

function noteRefusal(proof: LineProof, { status, retryAfterMs }: Refusal): void {
  const isBusy = status === 429 || status === 503;
  proof.hub = isBusy ? 'busy' : 'refused';
  proof.retryAfterMs = isBusy ? retryAfterMs : null;
}

/** Before anything of it is put right: pulling begins with a hello of its own. */
async function askOfHistories({ store, hub, version }: LineParts, proof: LineProof): Promise<void> {
  const asked = askHub(store.reads, version);
  const { provedTo, findings } = judgeHub(store.reads, asked, await hub.hello(asked.request));
  proof.provedTo = provedTo;
  addFindings(proof.findings, findings);
}

async function askOfFeed(parts: LineParts, cursor: FeedCursor, proof: LineProof): Promise<void> {
  // What a snapshot is filling is not what its number says yet; it is proved when it is whole.
  if (cursor.begun !== null) return;
  const found = await proveFeed(parts, cursor);
  addFindings(proof.findings, found.findings);
  proof.repaired += await repair(parts, cursor, found);
  // Only what was found to hold as it stood is told as proved.
  if (found.findings.count === 0) {
    const { scope, number, records } = found;
    proof.feeds.push({ scope, number, records });
  }
}

/** @returns how many records were written anew or taken away */
async function repair({ store }: LineParts, { take, scope }: FeedCursor, { repair: due }: FeedProof): Promise<number> {
  if (due.whole) {
    const detail = `${scope} is taken again from its start: too much of it differs from what head office has`;
    await store.writer.write(retakeScope, {
      take,
      scope,
      entries: [{ level: 'incident', event: 'feed-retaken', detail }],
    });
    return 0;
  }
  const records = [...due.extra.map(removalOf), ...due.records];
  if (records.length > 0) await store.writer.background(repairFeed(FEED_ROWS), { take, records }, 0);
  return records.length;
}

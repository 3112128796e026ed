import { CorruptPage } from '../replicator/feed-staging.js';
import { LineFailure, Refusal } from '../replicator/hub-failure.js';
import type { FeedAtRest } from '../replicator/replicator.js';
import type { Store } from '../store/store.js';
import { addFindings, Finder, type Findings } from './findings.js';
import type { EdgeVerification } from './last-verification.js';
import type { Jobs } from './prove-journal.js';
import { askHub, judgeHub, type ProvedPlace } from './prove-hub.js';
import type { VerifyJobs } from './verify-jobs.js';

export type LineParts = FeedAtRest & {
  store: Store;
  jobs: Jobs<VerifyJobs>;
  version: string;
  breathe(): Promise<void>;
};

export type LineProof = Pick<EdgeVerification, 'hub' | 'feeds' | 'repaired'> & {
  provedTo: ProvedPlace;
  findings: Findings;
};

/** What takes the hub to say: of this box's histories, and of its feeds. A hub that is away proves nothing and is no difference. */
export async function proveLine(parts: LineParts): Promise<LineProof> {
  const finder = new Finder();
  const proof: LineProof = { hub: 'asked', provedTo: null, feeds: [], repaired: 0, findings: finder.findings };
  try {
    await askOfHistories(parts, proof);
    await parts.pull();
  } catch (error) {
    if (error instanceof CorruptPage) finder.add('hub-feed', error.message);
    else if (error instanceof LineFailure) return { ...proof, hub: 'away' };
    else if (!(error instanceof Refusal)) throw error;
  }
  return proof;
}

/** Before anything of it is put right: pulling begins with a hello of its own. */
async function askOfHistories({ store, hub, version }: LineParts, proof: LineProof): Promise<void> {
  const asked = askHub(store.reads, version);
  const { provedTo, findings } = judgeHub(store.reads, asked, await hub.hello(asked.request));
  proof.provedTo = provedTo;
  addFindings(proof.findings, findings);
}

import type { Clock } from '@branchline/domain/clock.js';
import { problem, type Problem } from '@branchline/http/problem.js';
import { helloAnswerSchema, type HelloAnswer } from '@branchline/replication/box-protocol.js';
import { rangeText, SPOKEN, speaks } from '@branchline/replication/protocol.js';
import { BadBundle, type BundleFault, type BundleHeader } from '@branchline/replication/bundle.js';
import { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordPlace } from '@branchline/replication/bundle-records.js';
import type { Store } from '../store/store.js';
import { BundleHub } from './bundle-hub.js';
import { CorruptPage } from './feed-staging.js';
import { readCursors } from './feed-cursors.js';
import type { RowsOfKinds } from './feed-takes.js';
import { Refusal } from './hub-failure.js';
import { isOlder, judgeBundle, lastBundleIn, learnBundle } from './learn-bundle.js';
import { PullRound } from './pull-loop.js';
import { queueLength, readStreams } from './push-state.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

export type BundleInParts = {
  store: Store;
  kinds: RowsOfKinds;
  clock: Clock;
  alarm(message: string): void;
  signal: AbortSignal;
};

/** `isNewest` false: one made later was taken in before; of this one only pages were looked at. */
export type BundleTaken = {
  bundle: string;
  createdAt: string;
  isNewest: boolean;
  /** Lines that head office does not have, as far as is known here now. */
  queue: number;
  cursors: { scope: string; number: number; newest: number }[];
  /** Scopes of which pages are missing between what is here and what the bundle has: the next one will have them. */
  gaps: string[];
};

/** Rounds of 200 pages of each scope. */
const ROUNDS_MAX = 1_000;

/**
 * Takes in what head office has for this box. Nothing of it has an effect before all of it is proved: by the key that
 * certified this box, sealed to this box. Then what it acknowledges counts where the chain proves it, and its pages are
 * staged and applied as those that come by line. The feed must stand still meanwhile (`Replicator.withFeedAtRest`).
 *
 * @param path of a file that nobody changes meanwhile
 * @throws Problem `malformed-bundle`, `bundle-forged`, `bundle-sealed-to-another`, `bundle-not-ours`, `no-hub-keys`
 */
export async function takeBundle(parts: BundleInParts, path: string): Promise<BundleTaken> {
  const file = await asProblem(parts, () => BundleFile.open(path));
  try {
    const places = await asProblem(parts, () => proved(parts.store, file));
    const answer = await asProblem(parts, () => answerIn(file, places));
    const isNewest = await learn(parts, file.header, answer);
    const hub = new BundleHub(file, places, isNewest);
    await asProblem(parts, () => pullFrom(parts, hub));
    return toldOf(parts, file.header, isNewest, [...hub.gaps].sort());
  } finally {
    await file.close();
  }
}

const CODES = {
  malformed: 'malformed-bundle',
  forged: 'bundle-forged',
  'sealed-to-another': 'bundle-sealed-to-another',
} as const satisfies Record<BundleFault, string>;

/** Whatever is refused is told to the people of the store as well: somebody carried it here. */
async function asProblem<T>({ store, alarm }: BundleInParts, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refused =
      error instanceof BadBundle ? problem(CODES[error.fault], `The bundle: ${error.message}.`) : (error as Problem);
    const detail = `a bundle was refused: ${refused.message}`;
    await store.writer.write(logSync, { entries: [{ level: 'incident', event: 'bundle-refused', detail }] });
    alarm(detail);
    throw refused;
  }
}

function proved({ box }: Store, file: BundleFile): Promise<readonly RecordPlace[]> {
  const { direction, tenant, branch, box: boxId } = file.header;
  if (box.hubKeys === null) throw problem('no-hub-keys');
  if (direction !== 'down') throw problem('malformed-bundle', 'This bundle is for head office, not for a store.');
  if (tenant !== box.tenant || branch !== box.branch || boxId !== box.box)
    throw problem('bundle-not-ours', 'It is for another box.');
  return file.prove({ sealingKey: box.sealingKey, signedBy: box.hubKeys.certifyingKey });
}

async function answerIn(file: BundleFile, places: readonly RecordPlace[]): Promise<HelloAnswer> {
  const place = places.find(({ label }) => label?.kind === 'hello');
  const parsed = place && helloAnswerSchema.safeParse(await file.readJson(place));
  if (!parsed?.success) throw new BadBundle('malformed', 'it does not say what head office has');
  const { protocol } = parsed.data;
  if (!speaks(SPOKEN, protocol))
    throw problem('protocol', `The bundle is in protocol ${protocol}, this box speaks ${rangeText(SPOKEN)}.`);
  return parsed.data;
}

/** @returns whether the bundle is the one made last of those that came */
async function learn(
  { store, clock, alarm }: BundleInParts,
  { bundle, createdAt }: BundleHeader,
  answer: HelloAnswer,
): Promise<boolean> {
  const isOld = isOlder(lastBundleIn(store.reads), { bundle, createdAtMs: createdAt });
  const verdicts = isOld ? [] : judgeBundle(store.reads, readStreams(store.reads), answer);
  const acknowledged = verdicts.filter((verdict) => verdict.kind === 'acknowledged');
  const detail = `bundle ${bundle} of ${new Date(createdAt).toISOString()} was taken in`;
  const entries: SyncLogEntry[] = [{ level: 'info', event: 'bundle-in', detail }];
  const { hubEpoch, scopes } = answer;
  const learnt = { bundle, createdAtMs: createdAt, acknowledged, hubEpoch, scopes, entries, nowMs: clock.now() };
  const { isNewest } = await store.writer.write(learnBundle, learnt);
  // The hub knows these lines; a file restored to before them must be recognised, even after a power cut.
  await store.writer.syncWitness();
  for (const verdict of verdicts) {
    if (verdict.kind !== 'forked') continue;
    const { stream, commonSeq } = verdict;
    const lines = await store.journalAgain({ incarnationNo: stream.incarnationNo, commonSeq });
    const told = `incarnation ${stream.incarnation} differs from the hub's after line ${commonSeq} or later: this file was restored or copied. ${lines} lines were journalled again in a new incarnation; nothing is lost`;
    await store.writer.write(logSync, { entries: [{ level: 'incident', event: 'fork', detail: told }] });
    alarm(told);
  }
  return isNewest;
}

async function pullFrom({ store, kinds, alarm, signal }: BundleInParts, hub: BundleHub): Promise<void> {
  const nothing = { ifDue: () => Promise.resolve(), makeDue: () => undefined, run: () => Promise.resolve() };
  const round = new PullRound(
    { store, hub, kinds, alarm, meet: nothing, keys: nothing, onContact: () => undefined },
    signal,
  );
  const reached = (): number => readCursors(store.reads).reduce((sum, { number }) => sum + number, 0);
  for (let rounds = 0; rounds < ROUNDS_MAX && !signal.aborted; rounds++) {
    const before = reached();
    try {
      if (!(await round.run())) return;
    } catch (error) {
      if (error instanceof CorruptPage) throw new BadBundle('malformed', error.message);
      // Of a scope without pages; all others had their turn.
      if (!(error instanceof Refusal) || error.code !== 'not-found') throw error;
      if (reached() === before) return;
    }
  }
}

function toldOf(
  { store }: BundleInParts,
  { bundle, createdAt }: BundleHeader,
  isNewest: boolean,
  gaps: string[],
): BundleTaken {
  return {
    ...{ bundle, createdAt: new Date(createdAt).toISOString(), isNewest, gaps },
    queue: queueLength(readStreams(store.reads)),
    cursors: readCursors(store.reads).map(({ scope, number, newest }) => ({ scope, number, newest })),
  };
}

import type { Clock } from '@branchline/domain/clock.js';
import { problem, type Problem } from '@branchline/http/problem.js';
import { helloAnswerSchema, type HelloAnswer } from '@branchline/replication/box-protocol.js';
import { rangeText, SPOKEN, speaks } from '@branchline/replication/protocol.js';
import { BadBundle, type BundleFault, type BundleHeader } from '@branchline/replication/bundle.js';
import { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordPlace } from '@branchline/replication/bundle-records.js';
import type { Store } from '../store/store.js';
import { BundleHub } from './bundle-hub.js';
import { takeKeys } from './bundle-keys.js';
import { learnBundleOf } from './bundle-learning.js';
import { BundleLines } from './bundle-lines.js';
import { CorruptPage } from './feed-staging.js';
import { readCursors } from './feed-cursors.js';
import type { RowsOfKinds } from './feed-takes.js';
import { linesBehind } from './history-due.js';
import { Refusal } from './hub-failure.js';
import { CorruptLines, LinesRound } from './lines-round.js';
import { PullRound } from './pull-loop.js';
import { queueLength, readStreams } from './push-state.js';
import { CorruptSnapshot } from './snapshot-file.js';
import { logSync } from './sync-log.js';

export type BundleInParts = {
  store: Store;
  kinds: RowsOfKinds;
  clock: Clock;
  alarm(message: string): void;
  signal: AbortSignal;
};

/** `isNewest` false: head office has said more since, by bundle or by line; of this one pages, lines and keys were looked at. */
export type BundleTaken = {
  bundle: string;
  createdAt: string;
  isNewest: boolean;
  /** Lines that head office does not have, as far as is known here now. */
  queue: number;
  /** Lines of this branch that head office has and this box has not: the next bundle will have them. */
  behind: number;
  cursors: { scope: string; number: number; newest: number }[];
  /** Scopes of which something is missing between what is here and what the bundle has: the next one will have it. */
  gaps: string[];
};

/** Rounds of 200 pages of each scope. */
const ROUNDS_MAX = 1_000;

/**
 * Takes in what head office has for this box. Nothing of it has an effect before all of it is proved: by the key that
 * certified this box, sealed to this box. Then what it acknowledges counts where the chain proves it; its lines are proved and
 * taken, its pages and snapshots staged and applied, its keys kept as those that come by line. The feed must stand still
 * meanwhile (`Replicator.withFeedAtRest`).
 *
 * @param path of a file that nobody changes meanwhile
 * @throws Problem `malformed-bundle`, `bundle-forged`, `bundle-sealed-to-another`, `bundle-not-ours`, `no-hub-keys`
 */
export async function takeBundle(parts: BundleInParts, path: string): Promise<BundleTaken> {
  const file = await asProblem(parts, () => BundleFile.open(path));
  try {
    return await asProblem(parts, async () => {
      const places = await proved(parts.store, file);
      const answer = await answerIn(file, places);
      const lines = new BundleLines(file, places);
      const isNewest = await learnBundleOf(parts, file.header, answer, lines);
      await fetchFrom(parts, lines);
      const hub = new BundleHub(file, places, isNewest);
      await pullFrom(parts, hub);
      await takeKeys(parts, file, places, isNewest);
      return toldOf(parts, file.header, isNewest, [...hub.gaps].sort());
    });
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
  if (!speaks(SPOKEN, protocol)) {
    const remedy =
      protocol > SPOKEN.to
        ? 'Take a bundle of this box to head office, which answers as it is spoken here, or upgrade the box.'
        : 'Head office is to be upgraded.';
    throw problem('protocol', `The bundle is in protocol ${protocol}, this box speaks ${rangeText(SPOKEN)}. ${remedy}`);
  }
  return parsed.data;
}

const NOTHING = { ifDue: () => Promise.resolve(), makeDue: () => undefined, run: () => Promise.resolve() };

/** The lines of the branch that are not here, as far as they follow what is: also those that an earlier bundle told of. */
async function fetchFrom({ store, alarm, signal }: BundleInParts, lines: BundleLines): Promise<void> {
  const round = new LinesRound({ store, hub: lines, meet: NOTHING, alarm, onContact: () => undefined }, signal);
  try {
    for (let before = linesBehind(store.reads); before > 0 && !signal.aborted;) {
      if (!(await round.run())) return;
      const behind = linesBehind(store.reads);
      if (behind === before) return;
      before = behind;
    }
  } catch (error) {
    throw error instanceof CorruptLines ? new BadBundle('malformed', error.message) : error;
  }
}

async function pullFrom({ store, kinds, alarm, signal }: BundleInParts, hub: BundleHub): Promise<void> {
  const nothing = { meet: NOTHING, keys: NOTHING, onContact: () => undefined };
  const round = new PullRound({ store, hub, kinds, alarm, ...nothing }, signal);
  const reached = (): number => readCursors(store.reads).reduce((sum, { number }) => sum + number, 0);
  for (let rounds = 0; rounds < ROUNDS_MAX && !signal.aborted; rounds++) {
    const before = reached();
    try {
      if (!(await round.run())) return;
    } catch (error) {
      if (error instanceof CorruptPage || error instanceof CorruptSnapshot)
        throw new BadBundle('malformed', error.message);
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
    behind: linesBehind(store.reads),
    cursors: readCursors(store.reads).map(({ scope, number, newest }) => ({ scope, number, newest })),
  };
}

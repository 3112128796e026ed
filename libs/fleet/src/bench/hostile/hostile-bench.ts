import { type BenchContext, benchRow, type BenchRow, quantile } from '../bench.js';
import { HelperProcess } from '../helper-process.js';
import { type IngestChain, withIngestChain } from '../ingest/ingest-chain.js';
import { compressed } from '../ingest/pushing-box.js';
import type { HostileFigures, HostileLoad } from './hostile-main.js';
import type { Victim } from './hostile-pushes.js';
import { changedOutside, hashSettled, type Insider } from './outside.js';
import { overAfter, type Steady, tradeSteadily } from './steady-boxes.js';

const PUSHES = 100_000;
const HONEST_BOXES = 4;
const STEADY: Steady = { everyMs: 100, salesAPush: 2 };
/** Of four boxes 800 pushes: the slowest in a hundred are eight, not one. */
const PHASE_MS = 20_000;
/** A service token lives ten minutes. */
const SLICE_MS = 240_000;
const FIRST_SALES = 20;
const SEED = 20_261_121;

type Attack = HelperProcess<HostileLoad, HostileFigures>;

/**
 * What one branch's token can do to the rest, by somebody who holds its box and its keys. Beside honest boxes, whose waiting
 * is measured, at a hub as it comes; then 100,000 pushes alone at a hub that lets none of them rest, so that all of them
 * are read, with everything outside the branch compared before and after. Who attacks has a machine of his own: here he
 * yields the processors to the hub.
 */
export async function hostileBench(context: BenchContext): Promise<BenchRow[]> {
  const beside = await withIngestChain(context, HONEST_BOXES + 1, (chain) => attacked(chain, context, besideOthers));
  const alone = await withIngestChain(context, HONEST_BOXES + 1, (chain) => attacked(chain, context, onTheirOwn), {
    HUB_PUSH_REST_MS: '0',
  });
  return [...beside, ...alone];
}

interface Attacked {
  honest: IngestChain['boxes'];
  insider: Insider;
  /** So many that are read, or for so long. */
  strike(pushes: number, forMs: number): Promise<HostileFigures>;
}

async function attacked(
  chain: IngestChain,
  context: BenchContext,
  work: (attacked: Attacked, chain: IngestChain, context: BenchContext) => Promise<BenchRow[]>,
): Promise<BenchRow[]> {
  const [hostile, ...honest] = chain.boxes;
  if (hostile === undefined) throw new Error('nobody is hostile');
  const victims: Victim[] = [];
  for (const { box, journal } of honest) {
    const { lines, body, incarnation } = journal.nextPush(FIRST_SALES);
    await box.prove();
    await box.push(await compressed(body));
    const { branch, branchCode, box: id } = box.journalBox;
    victims.push({ branch, branchCode, box: id, incarnation, ids: lines.map(({ key }) => key) });
  }
  const { signing, ...rest } = hostile.box.journalBox;
  const box = { ...rest, signingPem: signing.export({ format: 'pem', type: 'pkcs8' }).toString() };
  const attack: Attack = HelperProcess.start('hostile/hostile-main', { yields: true });
  const strike = async (pushes: number, forMs: number): Promise<HostileFigures> => {
    await hostile.box.prove();
    const load = { hubUrl: chain.hubUrl, token: hostile.box.bearer, box, victims, seed: SEED };
    return attack.ask({ ...load, pushes, untilMs: Date.now() + forMs }, context.signal);
  };
  try {
    // What the attacker has to make first, he has made before.
    await strike(0, 0);
    return await work({ honest, insider: { branchId: box.branch, boxId: box.box }, strike }, chain, context);
  } finally {
    await attack.close();
  }
}

async function besideOthers(
  { honest, strike }: Attacked,
  _chain: IngestChain,
  { rounds, signal, note }: BenchContext,
): Promise<BenchRow[]> {
  const quietMs: number[] = [];
  const struckMs: number[] = [];
  const measure = async (): Promise<number> =>
    quantile(await tradeSteadily(honest, STEADY, overAfter(PHASE_MS), signal), 0.99);
  await measure();
  for (let round = 0; round < rounds; round += 1) {
    for (const { box } of honest) await box.prove();
    const struckFirst = round % 2 === 1;
    if (!struckFirst) quietMs.push(await measure());
    const [p99Ms, figures] = await Promise.all([measure(), strike(PUSHES, PHASE_MS)]);
    struckMs.push(p99Ms);
    if (struckFirst) quietMs.push(await measure());
    note(
      `round ${round + 1}: p99 ${quietMs.at(-1)?.toFixed(1)} ms, under attack ${p99Ms.toFixed(1)} ms (${describe(figures.answers)})`,
    );
  }
  return [
    benchRow({
      what: 'p99 of honest pushes under attack',
      unit: 'ms',
      samples: struckMs,
      yardstick: { what: 'p99 of the same pushes with no attack', samples: quietMs },
      goal: { of: 'ratio', atMost: 1.2 },
    }),
  ];
}

async function onTheirOwn(
  { insider, strike }: Attacked,
  { database }: IngestChain,
  { note }: BenchContext,
): Promise<BenchRow[]> {
  const before = await hashSettled(database.url, insider);
  const answers: HostileFigures['answers'] = {};
  const wrong: string[] = [];
  let read = 0;
  while (read < PUSHES) {
    const figures = await strike(PUSHES - read, SLICE_MS);
    read += figures.read;
    for (const [status, count] of Object.entries(figures.answers)) {
      answers[Number(status)] = (answers[Number(status)] ?? 0) + count;
    }
    wrong.push(...figures.wrong);
    note(`${read} hostile pushes: ${describe(answers)}`);
  }
  const changed = changedOutside(before, await hashSettled(database.url, insider));
  note(`changed outside: ${changed.join(', ') || 'nothing'}; wrong answers: ${wrong.join('; ') || 'none'}`);
  return [
    plain('hostile pushes read', 'pushes', read, { of: 'value', atLeast: PUSHES }),
    plain('of them taken into a history of its own', 'pushes', answers[200] ?? 0),
    plain('tables changed outside the branch', 'tables', changed.length, { of: 'value', atMost: 0 }),
    plain('answers that no push may get', 'answers', wrong.length, { of: 'value', atMost: 0 }),
  ];
}

function plain(what: string, unit: string, value: number, goal?: BenchRow['goal']): BenchRow {
  return benchRow({ what, unit, samples: [value], ...(goal && { goal }) });
}

function describe(answers: HostileFigures['answers']): string {
  return Object.entries(answers)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ');
}

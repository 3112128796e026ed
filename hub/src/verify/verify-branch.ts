import { setImmediate as otherWork } from 'node:timers/promises';
import { problem } from '@branchline/http/problem.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { WrongSeq, readLine, type LineReading, type ReadyLine } from '../sync/read-line.js';
import { archivedLines, type ArchivedLine } from './archived-lines.js';
import type { ProvedTo, StreamProof, Verification, What } from './answer.js';
import { ChainWalk } from './chain-walk.js';
import { wordsOfBoxes } from './box-proof.js';
import { compareCustomers } from './customer-comparison.js';
import { compareDays } from './day-sums.js';
import { Differences } from './differences.js';
import { findExtraRows } from './extra-rows.js';
import { linkHistories } from './histories.js';
import { FactComparison } from './fact-comparison.js';
import { QuarantineProof, type LineToTry } from './quarantine-proof.js';
import { compareRollups } from './rollup-comparison.js';
import { LineKinds } from './line-kinds.js';
import {
  compareWithFirstLine,
  findLostLines,
  proveHead,
  streamsOfBranch,
  type StreamOfBranch,
} from './streams-of-branch.js';

/** About 5 ms of reading: pushes, hellos and people are served in between. */
const LINES_AT_A_TIME = 64;

export type VerifyParts = {
  secrets: HubSecrets;
  nowMs: number;
  /** @returns which of these lines in quarantine would stand as facts if they were tried now */
  tryQuarantined(lines: readonly LineToTry[]): Promise<LineToTry[]>;
  /** Asked between any two steps. @throws Problem `verification-too-long`, `shutting-down` */
  assertMayGoOn(): void;
};

/** `unproved`: histories whose archived chain or signature does not hold. `counts`: of all differences, also untold ones. */
export type Verified = { answer: Verification; unproved: string[]; counts: ReadonlyMap<What, number> };

/**
 * Proves a branch's history from the bytes that were archived, and with it every row and every sum that was made of them.
 * Only reads; to be run in one snapshot, in which a push is there whole or not at all. Memory is that of one page of
 * lines, of the sums of each business date, and one byte for each line. What waits in quarantine counts in no sum, no row
 * may come from it, and it has to be shown why it waits.
 *
 * This is the hub's half. That the edge's rows are the same is for the edge to prove; the box's signature on the head
 * proves that its lines are.
 *
 * @throws Problem `verification-running` when the branch is being verified already
 */
export async function verifyBranch(tx: Tx, branch: BranchRow, parts: VerifyParts): Promise<Verified> {
  await lockVerification(tx, branch);
  const differences = new Differences();
  const facts = new FactComparison(tx, branch, differences);
  const lineKinds = new LineKinds();
  const waiting = new QuarantineProof(tx, branch, differences);
  const streams: StreamProof[] = [];
  const unproved: string[] = [];
  let provedTo: ProvedTo = null;
  const at = new Date(parts.nowMs).toISOString();
  const histories = await streamsOfBranch(tx, branch.id);
  for (const stream of histories) {
    const work = { facts, lineKinds, waiting, differences, parts };
    const { proof, isProved } = await verifyStream(tx, branch, stream, work);
    streams.push(proof);
    const { incarnation, epoch, headSeq: seq, headHash: hash } = proof;
    if (isProved) provedTo = { incarnation, epoch, seq, hash, at };
    else unproved.push(incarnation);
  }
  const { personsMaster } = parts.secrets;
  const assertMayGoOn = (): void => parts.assertMayGoOn();
  const customerParts = { personsMaster, assertMayGoOn };
  for (const step of [
    () => findLostLines(tx, branch.id, differences),
    () => findExtraRows(tx, branch.id, facts, lineKinds, differences),
    () => facts.said.findExtra(),
    () => compareRollups(tx, branch.id, differences),
    () => compareCustomers(tx, branch, customerParts, differences),
  ]) {
    parts.assertMayGoOn();
    await step();
  }
  const forks = await linkHistories(tx, branch.id, histories, differences);
  parts.assertMayGoOn();
  await tryWaiting(waiting, differences, parts);
  const days = await compareDays(tx, branch.id, facts.days, differences);
  const outcome = differences.total === 0 ? 'equal' : 'differs';
  const answer: Verification = {
    branch: branch.code,
    at,
    outcome,
    streams,
    days,
    forks,
    quarantined: waiting.quarantined,
    differences: differences.told(),
    provedTo,
    boxes: (await wordsOfBoxes(tx, [branch.id])).get(branch.id) ?? [],
  };
  return { answer, unproved, counts: differences.countOf };
}

async function lockVerification(tx: Tx, branch: BranchRow): Promise<void> {
  const { locked } = await tx.one<{ locked: boolean }>(
    `SELECT pg_try_advisory_xact_lock(hashtext('branchline verification'), hashtext($1)) AS locked`,
    [branch.id],
  );
  if (!locked) throw problem('verification-running', `${branch.code} is being verified at this moment.`);
}

async function tryWaiting(waiting: QuarantineProof, differences: Differences, parts: VerifyParts): Promise<void> {
  if (waiting.toTry.length === 0) return;
  for (const { incarnation, seq } of await parts.tryQuarantined(waiting.toTry)) {
    const line = waiting.quarantined.find((each) => each.incarnation === incarnation && each.seq === seq);
    if (line) line.why = 'none';
    const told = `line ${seq} of ${incarnation} waits in quarantine as ${line?.code}, and can be projected`;
    differences.add('quarantine-unfounded', told);
  }
}

type Work = {
  facts: FactComparison;
  lineKinds: LineKinds;
  waiting: QuarantineProof;
  differences: Differences;
  parts: VerifyParts;
};

async function verifyStream(
  tx: Tx,
  branch: BranchRow,
  stream: StreamOfBranch,
  work: Work,
): Promise<{ proof: StreamProof; isProved: boolean }> {
  const { facts, differences, parts } = work;
  const { incarnation, epoch } = stream;
  const walk = new ChainWalk(incarnation, differences);
  for await (const page of archivedLines(tx, branch.id, incarnation, differences)) {
    parts.assertMayGoOn();
    await facts.take(incarnation, await readPage(stream, page, walk, work));
  }
  const place = { tenant: tx.tenantId, branch: branch.id };
  const signedByBox = proveHead(parts.secrets, place, stream, walk, differences);
  const { lines, seq: headSeq, computedHash: headHash } = walk;
  const isProved = signedByBox && stream.appliedSeq === headSeq && stream.headHash === headHash;
  return { proof: { incarnation, epoch, lines, headSeq, headHash, signedByBox }, isProved };
}

/** @returns the lines that must stand as rows */
async function readPage(
  stream: StreamOfBranch,
  page: readonly ArchivedLine[],
  walk: ChainWalk,
  work: Work,
): Promise<ReadyLine[]> {
  const ready: ReadyLine[] = [];
  const waiting: Parameters<QuarantineProof['take']>[1][number][] = [];
  for (const [at, line] of page.entries()) {
    walk.take(line);
    const read = readArchived(stream.incarnation, line, work, waiting);
    if (read) ready.push(read);
    if (read?.kind === 'incarnation-open') compareWithFirstLine(stream, read.body, work.differences);
    if (at % LINES_AT_A_TIME === LINES_AT_A_TIME - 1) await otherWork();
  }
  await work.waiting.take(stream.incarnation, waiting);
  return ready;
}

/** Read as projection reads it; null for what waits in quarantine, which is put to `waiting`, and for what is named as a difference. */
function readArchived(
  incarnation: string,
  line: ArchivedLine,
  { lineKinds, differences }: Work,
  waiting: { seq: number; code: string; reading: LineReading }[],
): ReadyLine | null {
  const place = `line ${line.seq} of ${incarnation}`;
  try {
    const reading = readLine(line.bytes, line.seq);
    if (line.waits !== null) {
      waiting.push({ seq: line.seq, code: line.waits, reading });
      return null;
    }
    lineKinds.note(incarnation, line.seq, reading.label.kind);
    if ('ready' in reading) return reading.ready;
    const { code, detail } = reading.setAside;
    differences.add('unaccounted-line', `${place} is not in quarantine, though: ${code}, ${detail}`);
  } catch (error) {
    if (!(error instanceof WrongSeq)) throw error;
    differences.add('archived-line', `${place}: ${error.message}`);
  }
  return null;
}

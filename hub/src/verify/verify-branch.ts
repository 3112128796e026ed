import { setImmediate as otherWork } from 'node:timers/promises';
import { problem } from '@branchline/http/problem.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { WrongSeq, readLine, type ReadyLine } from '../sync/read-line.js';
import { archivedLines, type ArchivedLine } from './archived-lines.js';
import type { ProvedTo, StreamProof, Verification, What } from './answer.js';
import { ChainWalk } from './chain-walk.js';
import { compareDays } from './day-sums.js';
import { Differences } from './differences.js';
import { findExtraRows } from './extra-rows.js';
import { FactComparison } from './fact-comparison.js';
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
  /** Asked between any two steps. @throws Problem `verification-too-long`, `shutting-down` */
  assertMayGoOn(): void;
};

/** `unproved`: histories whose archived chain or signature does not hold. `counts`: of all differences, also untold ones. */
export type Verified = { answer: Verification; unproved: string[]; counts: ReadonlyMap<What, number> };

/**
 * Proves a branch's history from the bytes that were archived, and with it every row and every sum that was made of them.
 * Only reads; to be run in one snapshot, in which a push is there whole or not at all. Memory is that of one page of
 * lines, of the sums of each business date, and one byte for each line. What waits in quarantine is accounted for:
 * it counts in no sum, and no row may come from it.
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
  const streams: StreamProof[] = [];
  const unproved: string[] = [];
  let provedTo: ProvedTo = null;
  const at = new Date(parts.nowMs).toISOString();
  for (const stream of await streamsOfBranch(tx, branch.id)) {
    const { proof, isProved } = await verifyStream(tx, branch, stream, { facts, lineKinds, differences, parts });
    streams.push(proof);
    const { incarnation, epoch, headSeq: seq, headHash: hash } = proof;
    if (isProved) provedTo = { incarnation, epoch, seq, hash, at };
    else unproved.push(incarnation);
  }
  for (const step of [
    () => findLostLines(tx, branch.id, differences),
    () => findExtraRows(tx, branch.id, facts, lineKinds, differences),
    () => compareRollups(tx, branch.id, differences),
  ]) {
    parts.assertMayGoOn();
    await step();
  }
  parts.assertMayGoOn();
  const days = await compareDays(tx, branch.id, facts.days, differences);
  const outcome = differences.total === 0 ? 'equal' : 'differs';
  const answer: Verification = {
    branch: branch.code,
    at,
    outcome,
    streams,
    days,
    differences: differences.told(),
    provedTo,
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

type Work = { facts: FactComparison; lineKinds: LineKinds; differences: Differences; parts: VerifyParts };

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
  for (const [at, line] of page.entries()) {
    walk.take(line);
    const read = readArchived(stream.incarnation, line, work);
    if (read) ready.push(read);
    if (read?.kind === 'incarnation-open') compareWithFirstLine(stream, read.body, work.differences);
    if (at % LINES_AT_A_TIME === LINES_AT_A_TIME - 1) await otherWork();
  }
  return ready;
}

/** Read as projection reads it; null for what is accounted for in quarantine, and for what is named as a difference. */
function readArchived(incarnation: string, line: ArchivedLine, { lineKinds, differences }: Work): ReadyLine | null {
  const place = `line ${line.seq} of ${incarnation}`;
  try {
    const reading = readLine(line.bytes, line.seq);
    if (line.waits) return null;
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

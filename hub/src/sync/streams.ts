import { GENESIS_HASH } from '@branchline/replication/chain.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedHashes } from './archive.js';

/** One incarnation as the hub holds it. Hashes in hex. */
export type Stream = {
  branchId: string;
  incarnation: string;
  boxId: string;
  epoch: number;
  appliedSeq: number;
  headHash: string;
};

/**
 * All pushes of a branch go one after the other: its histories may hold the same facts. First in the order of locks.
 * @returns whether any line of the branch waits for the fact of another
 */
export async function lockBranch(
  tx: Tx,
  { tenantId, branchId }: { tenantId: string; branchId: string },
  nowMs: number,
): Promise<{ waitsForParent: boolean }> {
  return tx.one(
    `INSERT INTO branch_stream (tenant_id, branch_id, last_push_at) VALUES ($1, $2, to_timestamp($3::bigint / 1000.0))
     ON CONFLICT (branch_id) DO UPDATE SET last_push_at = excluded.last_push_at
     RETURNING waits_for_parent AS "waitsForParent"`,
    [tenantId, branchId, nowMs],
  );
}

/** The same lock for what is no push: the branch was not heard from. */
export async function holdBranch(tx: Tx, branchId: string): Promise<void> {
  await tx.one('SELECT branch_id FROM branch_stream WHERE branch_id = $1 FOR NO KEY UPDATE', [branchId]);
}

type StreamRow = {
  branch_id: string;
  incarnation: string;
  box_id: string;
  epoch: number;
  applied_seq: number;
  head_hash: Buffer;
};

const STREAM_COLUMNS = 'branch_id, incarnation, box_id, epoch, applied_seq, head_hash';

const RIVAL_MS_MAX = 3_600_000;

export type Rival = { incarnation: string; boxId: string };

/**
 * Another history of the branch that was pushed within the hour, and since this one was: a box pushes the older of its
 * histories first and never comes back to it, so that two take turns only when two live.
 */
export async function findRival(
  tx: Tx,
  { branchId, incarnation }: Pick<Stream, 'branchId' | 'incarnation'>,
  nowMs: number,
): Promise<Rival | null> {
  const [rival] = await tx.query<Rival>(
    `SELECT rival.incarnation, rival.box_id AS "boxId" FROM incarnation own
     JOIN incarnation rival ON rival.branch_id = own.branch_id AND rival.incarnation <> own.incarnation AND rival.last_push_at > own.last_push_at
     WHERE own.branch_id = $1 AND own.incarnation = $2 AND rival.last_push_at > to_timestamp($3::bigint / 1000.0)
     ORDER BY rival.last_push_at DESC LIMIT 1`,
    [branchId, incarnation, nowMs - RIVAL_MS_MAX],
  );
  return rival ?? null;
}

export async function findStream(tx: Tx, branchId: string, incarnation: string): Promise<Stream | null> {
  const [stream] = await findStreams(tx, branchId, [incarnation]);
  return stream ?? null;
}

export async function findStreams(tx: Tx, branchId: string, incarnations: readonly string[]): Promise<Stream[]> {
  const rows = await tx.query<StreamRow>(
    `SELECT ${STREAM_COLUMNS} FROM incarnation WHERE branch_id = $1 AND incarnation = ANY ($2::uuid[])`,
    [branchId, incarnations],
  );
  return rows.map((row) => ({
    branchId: row.branch_id,
    incarnation: row.incarnation,
    boxId: row.box_id,
    epoch: row.epoch,
    appliedSeq: row.applied_seq,
    headHash: row.head_hash.toString('hex'),
  }));
}

/** Our chain's hash at `seq`, 0 being before the first line; null beyond what is applied. */
export async function findHash(tx: Tx, stream: Stream, seq: number): Promise<string | null> {
  if (seq === 0) return GENESIS_HASH.toString('hex');
  if (seq === stream.appliedSeq) return stream.headHash;
  const [hash] = await archivedHashes(tx, stream.branchId, [{ incarnation: stream.incarnation, seq }]);
  return hash ?? null;
}

const GREW = 'history grew';

/** The history that a committed push has made longer, or null for another topic. */
export function historyGrown(topic: string): { branchId: string; incarnation: string } | null {
  const [what, branchId = '', incarnation = ''] = topic.split(':');
  return what === GREW ? { branchId, incarnation } : null;
}

/** @param to `headSignature`: the box's own, over just this head: its word that its history is the same */
export async function advanceStream(
  tx: Tx,
  at: { branchId: string; incarnation: string; nowMs: number },
  to: { appliedSeq: number; headHash: Buffer; headSignature: string; lastLineAtMs: number },
): Promise<void> {
  const advanced = await tx.execute(
    `UPDATE incarnation
     SET applied_seq = $3, head_hash = $4, last_line_at = to_timestamp($5::bigint / 1000.0), last_push_at = to_timestamp($6::bigint / 1000.0),
       head_signature = $7
     WHERE branch_id = $1 AND incarnation = $2`,
    [at.branchId, at.incarnation, to.appliedSeq, to.headHash, to.lastLineAtMs, at.nowMs, to.headSignature],
  );
  if (advanced !== 1) throw new Error(`the stream ${at.incarnation} is not there to advance`);
  tx.announced.add(`${GREW}:${at.branchId}:${at.incarnation}`);
}

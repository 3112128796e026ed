import type { Box } from '@branchline/access/principal.js';
import type { NewId } from '@branchline/domain/uuid.js';
import type { EdgeProof } from '@branchline/replication/verify-protocol.js';
import type { Tx } from '../database/unit-of-work.js';
import { notifyOfVerify } from '../feed/feed-notice.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import type { BoxWord } from './answer.js';

const DETAIL_CHARACTERS_MAX = 300;
const INCIDENTS_MAX = 20;

/** What a box has found out about itself. That it differs is for people to know: one incident for each kind of difference. */
export async function noteProof(
  tx: Tx,
  box: Box,
  proof: EdgeProof,
  at: { nowMs: number; newId: NewId },
): Promise<void> {
  await tx.execute(NOTE, [
    tx.tenantId,
    box.branchId,
    box.boxId,
    at.nowMs,
    proof.at,
    proof.outcome,
    JSON.stringify(proof),
  ]);
  const firsts = new Map(proof.differences.map(({ what, detail }) => [what, detail] as const).reverse());
  for (const [what, detail] of [...firsts].reverse().slice(0, INCIDENTS_MAX)) {
    const told = `the box says: ${detail}`.slice(0, DETAIL_CHARACTERS_MAX);
    await raiseIncident(tx, { branchId: box.branchId, code: 'box-differs', key: what, detail: told }, at);
  }
}

const NOTE = `
INSERT INTO box_proof AS kept (tenant_id, branch_id, box_id, heard_at, at, outcome, proof)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0), to_timestamp(least($5::bigint, $4::bigint) / 1000.0), $6, $7)
ON CONFLICT (branch_id, box_id) DO UPDATE SET heard_at = excluded.heard_at, at = excluded.at, outcome = excluded.outcome,
  proof = excluded.proof, asked_at = NULL`;

/** A person wants this branch's boxes to prove themselves: told at once to who listens, to others with their next hello. */
export async function askForProofs(tx: Tx, branchId: string, nowMs: number): Promise<void> {
  const asked = await tx.query<{ box: string }>(
    `INSERT INTO box_proof (tenant_id, branch_id, box_id, asked_at)
     SELECT tenant_id, branch_id, id, to_timestamp($2::bigint / 1000.0) FROM box WHERE branch_id = $1 AND revoked_at IS NULL
     ON CONFLICT (branch_id, box_id) DO UPDATE SET asked_at = excluded.asked_at RETURNING box_id AS box`,
    [branchId, nowMs],
  );
  const boxes = asked.map(({ box }) => box);
  if (boxes.length > 0) await notifyOfVerify(tx, boxes);
}

/** Whether it was asked and has not answered. */
export async function isProofAsked(tx: Tx, { branchId, boxId }: Pick<Box, 'branchId' | 'boxId'>): Promise<boolean> {
  const asked = await tx.query('SELECT FROM box_proof WHERE branch_id = $1 AND box_id = $2 AND asked_at IS NOT NULL', [
    branchId,
    boxId,
  ]);
  return asked.length > 0;
}

type WordRow = {
  branch: string;
  box: string;
  askedAt: Date | null;
  heardAt: Date | null;
  at: Date | null;
  proof: EdgeProof | null;
};

/** The last word of each box that is not revoked, or has spoken; by branch. */
export async function wordsOfBoxes(tx: Tx, branchIds: readonly string[]): Promise<Map<string, BoxWord[]>> {
  const rows = await tx.query<WordRow>(
    `SELECT box.branch_id AS branch, box.id AS box, p.asked_at AS "askedAt", p.heard_at AS "heardAt", p.at, p.proof
     FROM box LEFT JOIN box_proof p ON p.branch_id = box.branch_id AND p.box_id = box.id
     WHERE box.branch_id = ANY ($1::uuid[]) AND (box.revoked_at IS NULL OR p.heard_at IS NOT NULL) ORDER BY box.enrolled_at, box.id`,
    [branchIds],
  );
  const words = new Map<string, BoxWord[]>();
  for (const { branch, ...row } of rows) words.set(branch, [...(words.get(branch) ?? []), wordOf(row)]);
  return words;
}

function wordOf({ box, askedAt, heardAt, at, proof }: Omit<WordRow, 'branch'>): BoxWord {
  return {
    box,
    askedAt: askedAt?.toISOString() ?? null,
    heardAt: heardAt?.toISOString() ?? null,
    at: at?.toISOString() ?? null,
    outcome: proof?.outcome ?? null,
    provedTo: proof?.journal ? placeOf(proof.journal) : null,
    feeds: proof?.feeds.map(({ scope, number, records }) => ({ scope, number, records })) ?? [],
    repaired: proof?.repaired ?? 0,
    differences: proof?.differences.map(({ what, detail }) => ({ what, detail })) ?? [],
  };
}

function placeOf({ incarnation, epoch, seq, hash }: NonNullable<EdgeProof['journal']>): BoxWord['provedTo'] {
  return { incarnation, epoch, seq, hash };
}

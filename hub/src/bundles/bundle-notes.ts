import { helloRequestSchema, type HelloRequest } from '@branchline/replication/box-protocol.js';
import { bundleWantsSchema, type BundleWants } from '@branchline/replication/bundle-wants.js';
import type { Tx } from '../database/unit-of-work.js';
import { Problem } from '@branchline/http/problem.js';
import { assertAnswerable } from '../sync/hello.js';
import { findUnstorable } from '../sync/storable.js';
import type { BundleBox } from './bundle-box.js';

/** What a box said in its bundle, and what it asked for; null: not, or not so that it is understood. */
export type SaidByBox = { hello: HelloRequest | null; wants: BundleWants | null };

/** Of the bundle that was made last of those taken in; when that was. */
export async function saidBy(tx: Tx, boxId: string): Promise<SaidByBox & { saidAtMs: number }> {
  const [row] = await tx.query<Record<keyof SaidByBox, unknown> & { saidAt: Date | null }>(
    'SELECT hello, wants, in_created_at AS "saidAt" FROM box_bundle WHERE box_id = $1',
    [boxId],
  );
  return { hello: understood(row?.hello), wants: understoodWants(row?.wants), saidAtMs: row?.saidAt?.getTime() ?? 0 };
}

/** Ids, hashes and scopes, whatever else a box may have sealed. */
export function understoodWants(said: unknown): BundleWants | null {
  const { data } = bundleWantsSchema.safeParse(said);
  if (data === undefined) return null;
  const { persons, parts } = data;
  return {
    persons: [...new Set(persons)],
    parts: parts.map(({ scope, fileSha256, have }) => ({ scope, fileSha256, have })),
  };
}

/** What a box may have sealed is anything; over HTTP most of it would not come through the door. */
export function understood(said: unknown): HelloRequest | null {
  const hello = helloRequestSchema.safeParse(said).data;
  if (hello === undefined || findUnstorable(hello) !== null) return null;
  try {
    assertAnswerable(hello);
    return hello;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

/**
 * The last word of a box is that of the bundle that it made last: sticks come in any order. By the box's clock, but nothing was
 * made after it came, so that a clock which was ahead for a while leaves no word that stands for ever. What is not understood
 * is no word.
 *
 * @returns whether it is the last one now
 */
export async function noteIn(
  tx: Tx,
  { boxId, branchId }: BundleBox,
  { bundle, createdAtMs, hello, wants }: { bundle: string; createdAtMs: number } & SaidByBox,
  nowMs: number,
): Promise<boolean> {
  if (hello === null) return false;
  const noted = await tx.execute(NOTE_IN, [
    ...[tx.tenantId, boxId, branchId, bundle, Math.min(createdAtMs, nowMs), nowMs],
    ...[JSON.stringify(hello), wants && JSON.stringify(wants)],
  ]);
  return noted > 0;
}

const NOTE_IN = `
INSERT INTO box_bundle (tenant_id, box_id, branch_id, in_bundle, in_created_at, in_at, hello, wants)
VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($6::bigint / 1000.0), $7, $8)
ON CONFLICT (box_id) DO UPDATE SET in_bundle = excluded.in_bundle, in_created_at = excluded.in_created_at,
  in_at = excluded.in_at, hello = excluded.hello, wants = excluded.wants
WHERE box_bundle.in_created_at IS NULL OR box_bundle.in_created_at <= excluded.in_created_at`;

export async function noteOut(tx: Tx, { boxId, branchId }: BundleBox, bundle: string, nowMs: number): Promise<void> {
  await tx.execute(
    `INSERT INTO box_bundle (tenant_id, box_id, branch_id, out_bundle, out_at)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0))
     ON CONFLICT (box_id) DO UPDATE SET out_bundle = excluded.out_bundle, out_at = excluded.out_at`,
    [tx.tenantId, boxId, branchId, bundle, nowMs],
  );
}

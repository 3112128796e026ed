import { helloRequestSchema, type HelloRequest } from '@branchline/replication/box-protocol.js';
import { bundleWantsSchema, type BundleWants } from '@branchline/replication/bundle-wants.js';
import type { Tx } from '../database/unit-of-work.js';
import { Problem } from '@branchline/http/problem.js';
import { assertAnswerable } from '../sync/hello.js';
import { findUnstorable } from '../sync/storable.js';
import type { BundleBox } from './bundle-box.js';

/** What a box said in its bundle, and what it asked for; null: not, or not so that it is understood. */
export type SaidByBox = { hello: HelloRequest | null; wants: BundleWants | null };

/** Of the bundle that was taken in last. */
export async function saidBy(tx: Tx, boxId: string): Promise<SaidByBox> {
  const [row] = await tx.query<Record<keyof SaidByBox, unknown>>(
    'SELECT hello, wants FROM box_bundle WHERE box_id = $1',
    [boxId],
  );
  return { hello: understood(row?.hello), wants: understoodWants(row?.wants) };
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

export async function noteIn(
  tx: Tx,
  { boxId, branchId }: BundleBox,
  { bundle, createdAtMs, hello, wants }: { bundle: string; createdAtMs: number } & SaidByBox,
  nowMs: number,
): Promise<void> {
  await tx.execute(
    `INSERT INTO box_bundle (tenant_id, box_id, branch_id, in_bundle, in_created_at, in_at, hello, wants)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($6::bigint / 1000.0), $7, $8)
     ON CONFLICT (box_id) DO UPDATE SET in_bundle = excluded.in_bundle, in_created_at = excluded.in_created_at,
       in_at = excluded.in_at, hello = coalesce(excluded.hello, box_bundle.hello), wants = excluded.wants`,
    [
      ...[tx.tenantId, boxId, branchId, bundle, createdAtMs, nowMs],
      ...[hello && JSON.stringify(hello), wants && JSON.stringify(wants)],
    ],
  );
}

export async function noteOut(tx: Tx, { boxId, branchId }: BundleBox, bundle: string, nowMs: number): Promise<void> {
  await tx.execute(
    `INSERT INTO box_bundle (tenant_id, box_id, branch_id, out_bundle, out_at)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0))
     ON CONFLICT (box_id) DO UPDATE SET out_bundle = excluded.out_bundle, out_at = excluded.out_at`,
    [tx.tenantId, boxId, branchId, bundle, nowMs],
  );
}

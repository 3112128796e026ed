import { helloRequestSchema, type HelloRequest } from '@branchline/replication/box-protocol.js';
import type { Tx } from '../database/unit-of-work.js';
import { Problem } from '@branchline/http/problem.js';
import { assertAnswerable } from '../sync/hello.js';
import { findUnstorable } from '../sync/storable.js';
import type { BundleBox } from './bundle-box.js';

/** What the box said in the bundle that was taken in last; null: none came, or none that is understood. */
export async function helloOf(tx: Tx, boxId: string): Promise<HelloRequest | null> {
  const [row] = await tx.query<{ hello: unknown }>('SELECT hello FROM box_bundle WHERE box_id = $1', [boxId]);
  return understood(row?.hello);
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
  { bundle, createdAtMs, hello }: { bundle: string; createdAtMs: number; hello: HelloRequest | null },
  nowMs: number,
): Promise<void> {
  await tx.execute(
    `INSERT INTO box_bundle (tenant_id, box_id, branch_id, in_bundle, in_created_at, in_at, hello)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($6::bigint / 1000.0), $7)
     ON CONFLICT (box_id) DO UPDATE SET in_bundle = excluded.in_bundle, in_created_at = excluded.in_created_at,
       in_at = excluded.in_at, hello = coalesce(excluded.hello, box_bundle.hello)`,
    [tx.tenantId, boxId, branchId, bundle, createdAtMs, nowMs, hello && JSON.stringify(hello)],
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

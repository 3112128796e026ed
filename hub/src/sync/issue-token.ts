import { tokenProofHolds } from '@branchline/replication/token-proof.js';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { BOX_TOKEN_S, type BoxTokens } from './box-tokens.js';
import { NONCE_S, type Nonces } from './nonces.js';

export type TokenParts = {
  database: Database;
  clock: Clock;
  randomBytes: (bytes: number) => Buffer;
  tokens: BoxTokens;
  nonces: Nonces;
};

/** Step one; the same for a box that is not known, whose nonce opens nothing. */
export function giveNonce(
  { nonces, randomBytes, clock }: TokenParts,
  box: string,
): { nonce: string; expiresInS: number } {
  return { nonce: nonces.give(box, randomBytes(32), clock.now()), expiresInS: NONCE_S };
}

/**
 * Step two: the box's signature over the nonce. Nothing here depends on the box's clock.
 * @throws Problem `unauthenticated`, `box-revoked`
 */
export async function giveToken(
  { database, clock, tokens, nonces }: TokenParts,
  proof: { box: string; nonce: string; signature: string },
): Promise<{ token: string; expiresInS: number }> {
  const expiryMs = nonces.expiryMs(proof.box, proof.nonce, clock.now());
  const tenantId = expiryMs === null ? null : await tenantOfBox(database, proof.box);
  if (expiryMs === null || tenantId === null) throw problem('unauthenticated');
  const branchId = await database.transaction(tenantId, async (tx) => {
    const box = await tx.one<ProvingBox>(FIND, [proof.box]);
    if (!tokenProofHolds(proof.box, proof.nonce, proof.signature, box.signingKey)) throw problem('unauthenticated');
    if (box.revoked) throw problem('box-revoked');
    if (!(await spendNonce(tx, proof, expiryMs, clock.now()))) throw problem('unauthenticated');
    return box.branchId;
  });
  return { token: tokens.sign({ tenantId, branchId, boxId: proof.box }), expiresInS: BOX_TOKEN_S };
}

type ProvingBox = { branchId: string; signingKey: string; revoked: boolean };

const FIND = `SELECT branch_id AS "branchId", signing_key AS "signingKey", revoked_at IS NOT NULL AS revoked FROM box WHERE id = $1`;

async function tenantOfBox(database: Database, boxId: string): Promise<string | null> {
  const [row] = await database.asOwner<{ tenant: string | null }>('SELECT branchline_tenant_of_box($1) AS tenant', [
    boxId,
  ]);
  return row?.tenant ?? null;
}

/** Kept only until it expires by itself. @returns false when it was spent before */
async function spendNonce(
  tx: Tx,
  { box, nonce }: { box: string; nonce: string },
  expiryMs: number,
  nowMs: number,
): Promise<boolean> {
  await tx.execute('DELETE FROM box_nonce WHERE box_id = $1 AND expires_at <= to_timestamp($2::bigint / 1000.0)', [
    box,
    nowMs,
  ]);
  const spent = await tx.execute(
    `INSERT INTO box_nonce (tenant_id, nonce, box_id, expires_at) VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0))
     ON CONFLICT DO NOTHING`,
    [tx.tenantId, nonce, box, expiryMs],
  );
  return spent === 1;
}

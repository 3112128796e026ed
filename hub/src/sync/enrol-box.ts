import type { z } from 'zod';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { EnrolAnswer, enrolRequestSchema } from '@branchline/replication/box-protocol.js';
import { seal } from '@branchline/replication/sealing.js';
import { recordAudit } from '../audit/record-audit.js';
import { hashEnrolmentCode } from '../branches/enrolment-codes.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { scopesOfBranch } from '../feed/scopes.js';
import { highestEpoch } from './histories.js';

export type EnrolParts = { database: Database; secrets: HubSecrets; clock: Clock; newId: NewId };
type EnrolRequest = z.infer<typeof enrolRequestSchema>;

/** How long a spent code still answers the box that spent it: its first answer may have been lost on the way. */
const REPLAY_MS_MAX = 600_000;

/**
 * A box trades its one-time code for its place: the hub notes its keys, certifies them, and gives it the first epoch that
 * it may open and its branch's pepper, sealed so that only this box can read it.
 *
 * @throws Problem `code-invalid`, `invalid-field`
 */
export async function enrolBox(parts: EnrolParts, request: EnrolRequest): Promise<EnrolAnswer> {
  const codeHash = hashEnrolmentCode(request.code);
  const [found] = await parts.database.asOwner<{ tenant: string | null }>(
    'SELECT branchline_tenant_of_enrolment_code($1) AS tenant',
    [codeHash],
  );
  if (!found?.tenant) throw problem('code-invalid');
  const { tenant } = found;
  return parts.database.transaction(tenant, async (tx) => {
    const code = await lockCode(tx, codeHash);
    const nowMs = parts.clock.now();
    const again = code?.usedAt ? await findBoxOfCode(tx, code, request, nowMs) : null;
    if (!code || (code.usedAt && !again) || (!again && code.expiresAt.getTime() <= nowMs))
      throw problem('code-invalid');
    const branch = await tx.one<BranchRow>(LOCK_BRANCH, [code.branchId]);
    const box = again ?? (await addBox(tx, parts, { branch, codeHash, request, nowMs }));
    return {
      tenant,
      branch: branch.id,
      branchCode: branch.code,
      box: box.id,
      certificate: box.certificate,
      epoch: box.firstEpoch,
      scopes: scopesOfBranch(branch),
      pepper: sealedPepper(parts.secrets, branch.id, request.sealingKey),
      hubKeys: parts.secrets.publicKeys,
    };
  });
}

type CodeRow = { branchId: string; expiresAt: Date; usedAt: Date | null };
type BoxRow = { id: string; certificate: string; firstEpoch: number };
type BranchRow = { id: string; code: string; region: string; priceZone: string; assortment: string; nextEpoch: number };

const LOCK_BRANCH = `
SELECT id, code, region, price_zone AS "priceZone", assortment, next_epoch AS "nextEpoch" FROM branch WHERE id = $1 FOR NO KEY UPDATE`;

async function lockCode(tx: Tx, codeHash: string): Promise<CodeRow | undefined> {
  const [code] = await tx.query<CodeRow>(
    `SELECT branch_id AS "branchId", expires_at AS "expiresAt", used_at AS "usedAt" FROM enrolment_code
     WHERE code_hash = $1 AND purpose = 'box' FOR UPDATE`,
    [codeHash],
  );
  return code;
}

/** The box that spent the code just now, with the very keys that it shows again. */
async function findBoxOfCode(tx: Tx, code: CodeRow, request: EnrolRequest, nowMs: number): Promise<BoxRow | null> {
  const usedAtMs = code.usedAt?.getTime() ?? 0;
  if (nowMs - usedAtMs > REPLAY_MS_MAX) return null;
  const [box] = await tx.query<BoxRow>(
    `SELECT id, certificate, first_epoch AS "firstEpoch" FROM box
     WHERE branch_id = $1 AND signing_key = $2 AND sealing_key = $3 AND revoked_at IS NULL AND enrolled_at = to_timestamp($4::bigint / 1000.0)`,
    [code.branchId, request.signingKey, request.sealingKey, usedAtMs],
  );
  return box ?? null;
}

async function addBox(
  tx: Tx,
  { secrets, newId }: EnrolParts,
  { branch, codeHash, request, nowMs }: { branch: BranchRow; codeHash: string; request: EnrolRequest; nowMs: number },
): Promise<BoxRow> {
  const { signingKey, sealingKey } = request;
  const id = newId();
  // A box of before may have opened more epochs than it was granted.
  const epoch = Math.max(branch.nextEpoch, (await highestEpoch(tx, branch.id, null)) + 1);
  const certificate = secrets.certify({ tenant: tx.tenantId, branch: branch.id, box: id, signingKey, sealingKey });
  await tx.query('UPDATE enrolment_code SET used_at = to_timestamp($2::bigint / 1000.0) WHERE code_hash = $1', [
    codeHash,
    nowMs,
  ]);
  await tx.query('UPDATE branch SET next_epoch = $2::integer + 1 WHERE id = $1', [branch.id, epoch]);
  await tx.query(
    `INSERT INTO box (tenant_id, id, branch_id, signing_key, sealing_key, certificate, first_epoch, enrolled_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::bigint / 1000.0))`,
    [tx.tenantId, id, branch.id, signingKey, sealingKey, certificate, epoch, nowMs],
  );
  const detail = { epoch };
  const entry = { actor: `box:${id}`, action: 'box.enrol', subject: `box:${id}`, branchId: branch.id, detail };
  await recordAudit(tx, entry, { nowMs, newId });
  return { id, certificate, firstEpoch: epoch };
}

/** A key that is no point of the curve, or a weak one, is found here. @throws Problem `invalid-field` */
function sealedPepper(secrets: HubSecrets, branchId: string, sealingKey: string): string {
  try {
    return seal(secrets.branchPepper(branchId), sealingKey);
  } catch {
    throw problem('invalid-field', 'sealingKey: not an X25519 public key', {
      errors: [{ path: 'sealingKey', code: 'invalid-key', message: 'not an X25519 public key' }],
    });
  }
}

import type { PasswordHasher } from '@branchline/access/password.js';
import type { Grant } from '@branchline/access/roles.js';
import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { pepperedPin } from '@branchline/replication/pin.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';
import { roleName } from '../people/grants.js';
import type { HubSecrets } from '../secrets.js';

const pin = z.string().regex(/^\d{4,12}$/, 'expected 4 to 12 digits');

/** What somebody types at a till: short, no spaces. */
export const operatorCode = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of letters, digits, ".", "_" and "-"');

/** Without a `pin` one is known by name and cannot sign in. */
export const staffInput = z.strictObject({
  operator: operatorCode,
  name: text(100),
  role: roleName,
  pin: pin.optional(),
});
export const staffChange = z.strictObject({
  name: text(100).optional(),
  role: roleName.optional(),
  pin: pin.optional(),
  active: z.boolean().optional(),
});
export type StaffInput = z.infer<typeof staffInput>;
export type StaffChange = z.infer<typeof staffChange>;

export type Staff = { operator: string; name: string; role: string | null; hasPin: boolean; active: boolean };
type StaffRow = { operator: string; name: string; grants: Grant[]; pin_verifier: string | null; active: boolean };
type Where = { branchId: string };

/**
 * argon2id over HMAC(branch pepper, operator, PIN): ten thousand PINs are guessed in minutes by whoever has the database, but the pepper
 * is not in it. Made before the transaction: it takes 20 to 40 ms of a core.
 */
export async function pinVerifier(
  parts: { secrets: HubSecrets; passwords: PasswordHasher },
  { branchId }: Where,
  operator: string,
  pin: string | undefined,
): Promise<string | null> {
  if (pin === undefined) return null;
  return parts.passwords.hash(pepperedPin(parts.secrets.branchPepper(branchId), operator, pin));
}

export async function createStaff(
  tx: Tx,
  { branchId }: Where,
  input: StaffInput,
  verifier: string | null,
): Promise<Staff> {
  const row = await tx.one<StaffRow>(
    `INSERT INTO staff (tenant_id, branch_id, operator, name, grants, pin_verifier) VALUES ($1, $2, $3, $4, $5, $6)
     RETURNING operator, name, grants, pin_verifier, active`,
    [tx.tenantId, branchId, input.operator, input.name, JSON.stringify(grantsOf(branchId, input.role)), verifier],
  );
  await publishOperator(tx, branchId, row);
  return shown(row);
}

/** @throws Problem `not-found` */
export async function changeStaff(
  tx: Tx,
  { branchId }: Where,
  operator: string,
  change: StaffChange,
  verifier: string | null,
): Promise<Staff> {
  const grants = change.role && JSON.stringify(grantsOf(branchId, change.role));
  const [row] = await tx.query<StaffRow>(
    `UPDATE staff SET name = coalesce($3, name), grants = coalesce($4::jsonb, grants), pin_verifier = coalesce($5, pin_verifier),
            active = coalesce($6::boolean, active)
      WHERE branch_id = $1 AND operator = $2 RETURNING operator, name, grants, pin_verifier, active`,
    [branchId, operator, change.name ?? null, grants ?? null, verifier, change.active ?? null],
  );
  if (!row) throw problem('not-found', `There is no operator ${operator} in this branch.`);
  await publishOperator(tx, branchId, row);
  return shown(row);
}

export async function listStaff(
  tx: Tx,
  { branchId }: Where,
  { limit, after }: { limit: number; after?: string },
): Promise<Page<Staff>> {
  const [afterOperator] = after === undefined ? [''] : decodeCursor(z.tuple([text(64)]), after);
  const rows = await tx.query<StaffRow>(
    `SELECT operator, name, grants, pin_verifier, active FROM staff WHERE branch_id = $1 AND operator > $2 ORDER BY operator LIMIT $3`,
    [branchId, afterOperator, limit + 1],
  );
  return pageOf(rows, limit, (row) => [row.operator], shown);
}

/** A branch by its id, as its box names itself. */
function grantsOf(branchId: string, role: string): Grant[] {
  return [{ role, scope: 'branch', id: branchId }];
}

async function publishOperator(
  tx: Tx,
  branchId: string,
  { operator, name, grants, pin_verifier, active }: StaffRow,
): Promise<void> {
  const body = { operator, name, grants, pinVerifier: pin_verifier, active };
  await publish(tx, { scope: branchScope(branchId), kind: 'operator', key: operator, body });
}

function shown({ operator, name, grants, pin_verifier, active }: StaffRow): Staff {
  return { operator, name, role: grants[0]?.role ?? null, hasPin: pin_verifier !== null, active };
}

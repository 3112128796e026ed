import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { problem } from '@branchline/http/problem.js';
import { placeOf } from '../branches/find-branch.js';
import type { Tx } from '../database/unit-of-work.js';

/** Who carries a bundle in or out: whose name the audit has, and to which branches it may belong. */
export type Carrier = {
  actor: string;
  tenantId: string;
  grants: PrincipalOf<'person'>['grants'] | 'operator of the hub';
};

export type BundleBox = {
  tenantId: string;
  branchId: string;
  branchCode: string;
  boxId: string;
  signingKey: string;
  sealingKey: string;
  revoked: boolean;
  region: string;
};

const COLUMNS = `
box.tenant_id AS "tenantId", branch.id AS "branchId", branch.code AS "branchCode", branch.region, box.id AS "boxId",
box.signing_key AS "signingKey", box.sealing_key AS "sealingKey", box.revoked_at IS NOT NULL AS revoked`;

/** The box that a bundle names. @throws Problem `bundle-not-ours` for one that is not there or not the carrier's, alike */
export async function findSender(tx: Tx, carrier: Carrier, box: string, branch: string): Promise<BundleBox> {
  const [found] = await tx.query<BundleBox>(
    `SELECT ${COLUMNS} FROM box JOIN branch ON branch.id = box.branch_id WHERE box.id = $1 AND branch.id = $2`,
    [box, branch],
  );
  if (!found || !mayCarry(carrier, found)) throw problem('bundle-not-ours', 'There is no such box among your stores.');
  return found;
}

/**
 * The box of a branch for which a bundle is made: the one asked for, or the one enrolled last and not revoked.
 * @throws Problem `not-found`, `box-revoked`
 */
export async function findReceiver(tx: Tx, carrier: Carrier, branchCode: string, box?: string): Promise<BundleBox> {
  const [found] = await tx.query<BundleBox>(
    `SELECT ${COLUMNS} FROM box JOIN branch ON branch.id = box.branch_id
     WHERE branch.code = $1 AND ($2::uuid IS NULL OR box.id = $2)
     ORDER BY box.revoked_at IS NOT NULL, box.enrolled_at DESC, box.id LIMIT 1`,
    [branchCode, box ?? null],
  );
  if (!found || !mayCarry(carrier, found)) throw problem('not-found', `${branchCode} has no such box.`);
  if (found.revoked) throw problem('box-revoked');
  return found;
}

function mayCarry({ grants }: Carrier, { tenantId, region, branchId }: BundleBox): boolean {
  if (grants === 'operator of the hub') return true;
  return abilityFor(grants).can('fleet.carry', placeOf({ tenantId, region, id: branchId }));
}

export function principalOf({ tenantId, branchId, branchCode, boxId }: BundleBox): PrincipalOf<'box'> {
  return { kind: 'box', tenantId, branchId, branchCode, boxId };
}

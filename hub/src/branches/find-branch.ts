import { abilityFor } from '@branchline/access/ability.js';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { problem } from '@branchline/http/problem.js';
import { MoreThan } from 'typeorm';
import type { Tx } from '../database/unit-of-work.js';
import { BranchRow } from './branch.row.js';

type Who = Pick<PrincipalOf<'person'>, 'grants' | 'tenantId'>;

/** Where a branch is, as `abilityFor` is asked at the hub: ids of tenant and branch, the code of the region. */
export function placeOf(branch: Pick<BranchRow, 'tenantId' | 'region' | 'id'>): {
  tenant: string;
  region: string;
  branch: string;
} {
  return { tenant: branch.tenantId, region: branch.region, branch: branch.id };
}

/** @throws Problem `not-found` for a branch that is not there or not theirs to see, alike; `forbidden` without the ability */
export async function findBranch(tx: Tx, who: Who, code: string, ability: AbilityName): Promise<BranchRow> {
  const branch = await tx.manager.findOneBy(BranchRow, { code });
  const able = abilityFor(who.grants);
  if (!branch || !(able.can('branch.read', placeOf(branch)) || able.can(ability, placeOf(branch)))) {
    throw problem('not-found', `There is no branch ${code}.`);
  }
  if (!able.can(ability, placeOf(branch))) throw problem('forbidden', `This needs ${ability} in ${code}.`);
  return branch;
}

/** The branches in which the caller has `ability`, by code. A chain has some thousands at most: they are read and asked one by one. */
export async function branchesOf(tx: Tx, who: Who, ability: AbilityName, afterCode = ''): Promise<BranchRow[]> {
  const able = abilityFor(who.grants);
  const rows = await tx.manager.find(BranchRow, { where: { code: MoreThan(afterCode) }, order: { code: 'ASC' } });
  return rows.filter((branch) => able.can(ability, placeOf(branch)));
}

/**
 * Of the branches in which the caller has `ability`, the one asked for, or all.
 * @throws Problem `not-found` for a branch that is not there or not theirs, alike
 */
export async function chosenBranches(tx: Tx, who: Who, ability: AbilityName, asked?: string): Promise<BranchRow[]> {
  const theirs = await branchesOf(tx, who, ability);
  if (asked === undefined) return theirs;
  const chosen = theirs.filter(({ code }) => code === asked);
  if (chosen.length === 0) throw problem('not-found', `There is no branch ${asked}.`);
  return chosen;
}

/** @throws Problem `forbidden` for who has the ability in a region or branch only: what the whole chain shares is not theirs to change */
export function assertForTenant(who: Who, ability: AbilityName): void {
  if (!abilityFor(who.grants).can(ability, { tenant: who.tenantId }))
    throw problem('forbidden', `This needs ${ability} for the whole chain.`);
}

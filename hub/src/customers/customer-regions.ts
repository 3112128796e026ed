import { abilityFor } from '@branchline/access/ability.js';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';

type Who = PrincipalOf<'person'>;

/** Regions in which the caller has `ability`; none for who has it in a branch only. */
export async function regionsWith(tx: Tx, who: Who, ability: AbilityName): Promise<string[]> {
  const able = abilityFor(who.grants);
  return (await regionCodes(tx)).filter((region) => able.can(ability, { tenant: who.tenantId, region }));
}

/** Regions in which the caller has `ability`. @throws Problem `forbidden` for who has it in a branch only */
export async function regionsOf(tx: Tx, who: Who, ability: AbilityName): Promise<string[]> {
  const theirs = await regionsWith(tx, who, ability);
  if (theirs.length === 0 && (await regionCodes(tx)).length > 0)
    throw problem('forbidden', `This needs ${ability} in a region.`);
  return theirs;
}

async function regionCodes(tx: Tx): Promise<string[]> {
  const regions = await tx.query<{ code: string }>('SELECT code FROM region ORDER BY code');
  return regions.map(({ code }) => code);
}

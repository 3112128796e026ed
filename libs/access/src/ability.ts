import { createMongoAbility, subject, type MongoAbility } from '@casl/ability';
import type { AbilityName } from './abilities.js';
import { rulesOf, type Grant, type OwnRoles } from './roles.js';

/** Where something is. Give all that is known: a rule for a region cannot hold where no region is named. */
export type Place = { tenant?: string; region?: string; branch?: string };

export type Ability = {
  /** Without a place: somewhere at all. With one: there. */
  can(ability: AbilityName, where?: Place): boolean;
};

type CaslAbility = MongoAbility<[AbilityName, 'place' | (Place & { readonly __caslSubjectType__?: 'place' })]>;

/** Grants seldom differ between requests of one person, and building rules costs more than asking them. */
const ABILITIES_KEPT_MAX = 1_000;
const kept = new Map<string, Ability>();

/** What these grants let one do, and where; evaluated by CASL, the same at edge and hub. */
export function abilityFor(grants: readonly Grant[], own: OwnRoles = {}): Ability {
  const key = JSON.stringify([grants.map(({ role, scope, id }) => [role, scope, id]), own]);
  const known = kept.get(key);
  if (known) return known;
  const ability = buildAbility(grants, own);
  if (kept.size >= ABILITIES_KEPT_MAX) kept.clear();
  kept.set(key, ability);
  return ability;
}

function buildAbility(grants: readonly Grant[], own: OwnRoles): Ability {
  const rules = rulesOf(grants, own).map(({ ability, scope, id }) => ({
    action: ability,
    subject: 'place' as const,
    ...(id !== undefined && { conditions: { [scope]: id } }),
  }));
  const casl = createMongoAbility<CaslAbility>(rules);
  return {
    can: (ability, where) => casl.can(ability, where ? subject('place', { ...where }) : 'place'),
  };
}

/** The branches of a list in which these grants allow `ability`. */
export function branchesVisible<B extends Place>(
  grants: readonly Grant[],
  branches: readonly B[],
  ability: AbilityName = 'branch.read',
): B[] {
  const able = abilityFor(grants);
  return branches.filter(({ tenant, region, branch }) => able.can(ability, { tenant, region, branch }));
}

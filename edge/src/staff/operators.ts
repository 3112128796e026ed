import { ABILITY_NAMES, type AbilityName } from '@branchline/access/abilities.js';
import { abilityFor } from '@branchline/access/ability.js';
import type { Grant } from '@branchline/access/roles.js';
import type { ReadTx } from '../store/tx.js';
import { parsedSettings } from '../tills/branch-settings.js';

/** What the feed says of somebody who may work here now. */
export type KnownOperator = { operator: string; name: string; grants: Grant[]; pinVerifier: string | null };

/** Where this box stands: its branch by id and by code, for grants are given by either. */
export type BoxPlace = { branch: string; branchCode: string };

type Row = { operator: string; name: string; grants: string; pinVerifier: string | null; settings: string | null };

const ACTIVE_OPERATOR = `
  SELECT operator, name, grants, pin_verifier AS pinVerifier, (SELECT body FROM branch_setting) AS settings
  FROM operator WHERE operator = ? AND active = 1`;

/** @returns undefined for one who is not known, or works here no more */
export function activeOperator(tx: ReadTx, operator: string, place: BoxPlace): KnownOperator | undefined {
  const row = tx.get<Row>(ACTIVE_OPERATOR, operator);
  if (row === undefined) return undefined;
  const region = row.settings === null ? null : parsedSettings(row.settings).region;
  const grants = parsedGrants(row.grants).filter((grant) => holdsHere(grant, place, region));
  return { operator: row.operator, name: row.name, grants, pinVerifier: row.pinVerifier };
}

/** All abilities that grants give at this box; grants for elsewhere were left out when the operator was read. */
export function abilitiesOf(grants: readonly Grant[]): AbilityName[] {
  const ability = abilityFor(grants);
  return ABILITY_NAMES.filter((name) => ability.can(name));
}

function holdsHere({ scope, id }: Grant, place: BoxPlace, region: string | null): boolean {
  if (scope === 'tenant') return true;
  if (id === undefined) return false;
  return scope === 'region' ? id === region : id === place.branch || id === place.branchCode;
}

/** Read with every request, and the same few texts: each is parsed once. */
const GRANTS_KEPT_MAX = 500;
const parsed = new Map<string, Grant[]>();

function parsedGrants(text: string): Grant[] {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size >= GRANTS_KEPT_MAX) parsed.clear();
  const grants = JSON.parse(text) as Grant[];
  parsed.set(text, grants);
  return grants;
}

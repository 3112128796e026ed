import { describe, expect, it } from '@jest/globals';
import { ABILITY_NAMES, type AbilityName } from './abilities.js';
import { abilityFor, branchesVisible, type Place } from './ability.js';
import { ROLE_RULES, abilitiesOfRole, roleOfAbility, rulesOf, type Grant } from './roles.js';

const B1 = { tenant: 't1', region: 'r1', branch: 'b1' };
const B2 = { tenant: 't1', region: 'r1', branch: 'b2' };
const B3 = { tenant: 't1', region: 'r2', branch: 'b3' };

describe('a grant', () => {
  it.each<[string, Grant, Place | undefined, boolean]>([
    ['of a branch holds there', { role: 'cashier', scope: 'branch', id: 'b1' }, B1, true],
    ['of a branch holds nowhere else', { role: 'cashier', scope: 'branch', id: 'b1' }, B2, false],
    ['of a branch holds somewhere', { role: 'cashier', scope: 'branch', id: 'b1' }, undefined, true],
    ['of a branch does not hold where no branch is named', { role: 'cashier', scope: 'branch', id: 'b1' }, {}, false],
    ['of a region holds in its branches', { role: 'area-manager', scope: 'region', id: 'r1' }, B2, true],
    ['of a region does not hold in others', { role: 'area-manager', scope: 'region', id: 'r1' }, B3, false],
    [
      'of a region does not hold where only a branch is named',
      { role: 'area-manager', scope: 'region', id: 'r1' },
      { branch: 'b1' },
      false,
    ],
    ['of the tenant holds everywhere', { role: 'auditor', scope: 'tenant' }, B3, true],
    ['of a named tenant holds in it', { role: 'auditor', scope: 'tenant', id: 't1' }, B3, true],
    ['of a named tenant holds in no other', { role: 'auditor', scope: 'tenant', id: 't2' }, B3, false],
    ['of a branch without a name holds nowhere', { role: 'administrator', scope: 'branch' }, undefined, false],
    ['of a role nobody knows holds nowhere', { role: 'constructor', scope: 'tenant' }, B1, false],
  ])('%s', (_what, grant, where, expected) => {
    expect(abilityFor([grant]).can('sale.read', where)).toBe(expected);
  });

  it('adds to others and takes nothing away', () => {
    const able = abilityFor([
      { role: 'cashier', scope: 'branch', id: 'b1' },
      { role: 'analyst', scope: 'region', id: 'r2' },
    ]);
    expect([able.can('sale.create', B1), able.can('sale.create', B3)]).toEqual([true, false]);
    expect([able.can('report.read', B1), able.can('report.read', B3)]).toEqual([false, true]);
  });

  it('of an own role of the tenant holds what the tenant wrote', () => {
    const own = { closer: ['day.*', 'shift.read'] };
    const able = abilityFor([{ role: 'closer', scope: 'branch', id: 'b1' }], own);
    expect(ABILITY_NAMES.filter((ability) => able.can(ability, B1))).toEqual(['shift.read', 'day.seal']);
    expect(abilityFor([{ role: 'closer', scope: 'branch', id: 'b1' }]).can('day.seal')).toBe(false);
  });

  it('of one ability holds that one and no other', () => {
    const able = abilityFor([{ role: roleOfAbility('report.read'), scope: 'branch', id: 'b1' }]);
    expect(ABILITY_NAMES.filter((ability) => able.can(ability))).toEqual(['report.read']);
    expect([able.can('report.read', B1), able.can('report.read', B2)]).toEqual([true, false]);
    expect(abilitiesOfRole('ability:*', { 'ability:*': ['*'] })).toEqual([]);
  });

  it('cannot be widened by an own role that takes the name of one out of the box', () => {
    const able = abilityFor([{ role: 'cashier', scope: 'tenant' }], { cashier: ['*'] });
    expect(able.can('people.manage')).toBe(false);
  });
});

describe('the roles out of the box', () => {
  it.each<[keyof typeof ROLE_RULES, AbilityName[], AbilityName[]]>([
    ['cashier', ['sale.create', 'shift.open'], ['sale.import', 'day.seal', 'device.enrol', 'staff.manage']],
    ['supervisor', ['sale.create', 'shift.close', 'day.seal'], ['sale.import', 'staff.manage']],
    ['stock-clerk', ['stock.read', 'product.read'], ['sale.create', 'shift.open']],
    [
      'store-manager',
      ['device.enrol', 'sync.force', 'staff.manage'],
      ['sale.import', 'branch.manage', 'people.manage'],
    ],
    [
      'area-manager',
      ['branch.manage', 'fleet.verify', 'report.read'],
      ['people.manage', 'catalogue.manage', 'audit.read'],
    ],
    ['importer', ['sale.import', 'shift.open'], ['catalogue.manage', 'device.enrol']],
    ['merchandiser', ['catalogue.manage'], ['sale.create', 'people.manage']],
    ['analyst', ['report.read'], ['catalogue.manage', 'people.manage']],
    ['administrator', [...ABILITY_NAMES], []],
  ])('%s', (role, holds, lacks) => {
    const abilities = abilitiesOfRole(role);
    expect(abilities).toEqual(expect.arrayContaining(holds));
    expect(abilities.filter((ability) => lacks.includes(ability))).toEqual([]);
  });

  it('let the auditor read everything and write nothing', () => {
    expect(abilitiesOfRole('auditor')).toEqual(ABILITY_NAMES.filter((ability) => ability.endsWith('.read')));
  });

  it('let only importer and administrator import sales', () => {
    const roles = Object.keys(ROLE_RULES).filter((role) => abilitiesOfRole(role).includes('sale.import'));
    expect(roles).toEqual(['importer', 'administrator']);
  });

  it('hold no pattern that matches nothing', () => {
    for (const patterns of Object.values(ROLE_RULES)) {
      for (const pattern of patterns)
        expect([pattern, abilitiesOfRole('own', { own: [pattern] }).length > 0]).toEqual([pattern, true]);
    }
  });
});

describe('rules', () => {
  it('come once each, in a settled order, whatever the order of the grants', () => {
    const one: Grant = { role: 'analyst', scope: 'region', id: 'r1' };
    const other: Grant = { role: 'merchandiser', scope: 'region', id: 'r1' };
    expect(rulesOf([one, other, one])).toEqual(rulesOf([other, one]));
    expect(rulesOf([one]).map(({ ability }) => ability)).toEqual(['branch.read', 'catalogue.read', 'report.read']);
  });
});

describe('branches shown', () => {
  it('are those where the grants allow it', () => {
    const grants: Grant[] = [
      { role: 'area-manager', scope: 'region', id: 'r1' },
      { role: 'cashier', scope: 'branch', id: 'b3' },
    ];
    expect(branchesVisible(grants, [B1, B2, B3])).toEqual([B1, B2]);
    expect(branchesVisible(grants, [B1, B2, B3], 'sale.read')).toEqual([B1, B2, B3]);
    expect(branchesVisible([], [B1, B2, B3])).toEqual([]);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isStricterConsent } from './customer-consent.js';
import {
  bounded,
  join,
  latestHlc,
  losersOf,
  NO_CUSTOMER,
  seenOf,
  standing,
  stateOfEdit,
  valuesOf,
  withoutPast,
  type CustomerEdit,
  type CustomerState,
} from './customer.js';

const FIELDS = ['name', 'phone', 'consentEmail', 'region'];
const BOXES = ['box-a', 'box-b', 'box-c'];
const VALUES = { consentEmail: ['granted', 'denied', null], other: ['x', 'y', 'z', null] };

/** One step of the world: a box edits what it sees, or takes over what another one sees. */
type Step =
  | { do: 'edit'; at: number; fields: { field: string; value: number }[]; op: 'edit' | 'delete'; clock: number }
  | { do: 'meet'; at: number; with: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      at: fc.nat(BOXES.length - 1),
      fields: fc.uniqueArray(fc.record({ field: fc.constantFrom(...FIELDS), value: fc.nat(3) }), {
        maxLength: 3,
        selector: ({ field }) => field,
      }),
      op: fc.oneof(
        { weight: 12, arbitrary: fc.constant('edit' as const) },
        { weight: 1, arbitrary: fc.constant('delete' as const) },
      ),
      clock: fc.nat(20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('meet' as const), at: fc.nat(2), with: fc.nat(2) }) },
);

const hlcOf = (clock: number): string => `${String(clock).padStart(12, '0')}-0000`;

/** Lives through the steps. @returns the edits in the order they were made, each with those its maker had seen */
function live(steps: readonly Step[]): {
  edits: CustomerEdit[];
  seen: Map<string, Set<string>>;
  replicas: CustomerState[];
} {
  const replicas: CustomerState[] = BOXES.map(() => NO_CUSTOMER);
  const known = BOXES.map(() => new Set<string>());
  const edits: CustomerEdit[] = [];
  const seen = new Map<string, Set<string>>();
  for (const each of steps) {
    const here = replicas[each.at] as CustomerState;
    const knownHere = known[each.at] as Set<string>;
    if (each.do === 'meet') {
      replicas[each.at] = join(here, replicas[each.with] as CustomerState);
      for (const id of known[each.with] as Set<string>) knownHere.add(id);
      continue;
    }
    const id = `edit-${String(edits.length).padStart(3, '0')}`;
    const hlc = [hlcOf(each.clock), `${latestHlc(here, BOXES[each.at] as string) ?? ''}+`].sort().at(-1) as string;
    const changes: CustomerEdit['changes'] = {};
    for (const { field, value } of each.op === 'delete' ? [] : each.fields) {
      const values = field === 'consentEmail' ? VALUES.consentEmail : VALUES.other;
      changes[field] = { value: values[value % values.length] ?? null, over: seenOf(here, field) };
    }
    const edit: CustomerEdit = { id, op: each.op, box: BOXES[each.at] as string, hlc, changes };
    edits.push(edit);
    seen.set(id, new Set(knownHere));
    knownHere.add(id);
    replicas[each.at] = join(here, stateOfEdit(edit));
  }
  return { edits, seen, replicas };
}

const joined = (edits: readonly CustomerEdit[]): CustomerState =>
  edits.reduce((state, edit) => join(state, stateOfEdit(edit)), NO_CUSTOMER);

const lives = fc.array(step, { maxLength: 25 });
const shuffled = (edits: CustomerEdit[], random: readonly number[]): CustomerEdit[] =>
  [...edits, ...edits.filter((_, at) => (random[at] ?? 0) % 3 === 0)]
    .map((edit, at) => ({ edit, rank: random[at % Math.max(1, random.length)] ?? 0, at }))
    .sort((a, b) => a.rank - b.rank || b.at - a.at)
    .map(({ edit }) => edit);

describe('what edits of a customer come to', () => {
  it('is the same in any order, in any grouping, however often each comes', () => {
    fc.assert(
      fc.property(
        lives,
        fc.array(fc.nat(1000), { minLength: 60, maxLength: 60 }),
        fc.nat(100),
        (steps, random, cut) => {
          const { edits } = live(steps);
          const straight = joined(edits);
          const mixed = shuffled(edits, random);
          expect(joined(mixed)).toEqual(straight);
          const at = cut % (mixed.length + 1);
          expect(join(joined(mixed.slice(at)), joined(mixed.slice(0, at)))).toEqual(straight);
          expect(join(straight, straight)).toEqual(straight);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is the same at the hub and at every edge once all have met', () => {
    fc.assert(
      fc.property(lives, (steps) => {
        const { edits, replicas } = live(steps);
        const hub = replicas.reduce(join, NO_CUSTOMER);
        expect(hub).toEqual(joined(edits));
        for (const edge of replicas) expect(valuesOf(join(edge, hub))).toEqual(valuesOf(hub));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps of each field just the writes that nobody wrote over who had seen them', () => {
    fc.assert(
      fc.property(lives, (steps) => {
        const { edits, seen } = live(steps);
        const state = joined(edits);
        for (const field of FIELDS) {
          const writes = edits.filter(({ changes }) => changes[field] !== undefined);
          const expected = writes.filter(({ id }) => !writes.some((other) => seen.get(other.id)?.has(id)));
          expect(seenOf(state, field).sort()).toEqual(expected.map(({ id }) => id).sort());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lets a stricter consent win over a concurrent one, whatever the clocks, and over no one who had seen it', () => {
    fc.assert(
      fc.property(lives, (steps) => {
        const { edits, seen } = live(steps);
        const stands = standing(joined(edits), 'consentEmail');
        const writes = edits.filter(({ changes }) => changes['consentEmail'] !== undefined);
        for (const { id, changes } of writes) {
          const isSeen = writes.some((other) => seen.get(other.id)?.has(id));
          if (!isSeen)
            expect(isStricterConsent(changes['consentEmail']?.value ?? null, stands?.value ?? null)).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('stays deleted, whoever updates it, before or after or without having seen it', () => {
    fc.assert(
      fc.property(lives, (steps) => {
        const { edits } = live(steps);
        expect(joined(edits).deleted !== null).toBe(edits.some(({ op }) => op === 'delete'));
      }),
      { numRuns: 300 },
    );
  });

  it('forgets what was written over once it has come, and comes to the same', () => {
    fc.assert(
      fc.property(lives, (steps) => {
        const { edits } = live(steps);
        const come = new Set<string>();
        let state = NO_CUSTOMER;
        for (const edit of edits) {
          come.add(edit.id);
          state = withoutPast(join(state, stateOfEdit(edit)), (id) => come.has(id));
        }
        expect(Object.values(state.fields).flatMap(({ past }) => past)).toEqual([]);
        expect(valuesOf(state)).toEqual(valuesOf(joined(edits)));
        expect(losersOf(state)).toEqual(losersOf(joined(edits)));
      }),
      { numRuns: 300 },
    );
  });
});

const edit = (
  id: string,
  box: string,
  clock: number,
  changes: CustomerEdit['changes'],
  op: CustomerEdit['op'] = 'edit',
) => ({
  id,
  op,
  box,
  hlc: hlcOf(clock),
  changes,
});

describe('two edits that had not seen each other', () => {
  const base = edit('e0', 'box-a', 1, {
    name: { value: 'Ann', over: [] },
    phone: { value: '1', over: [] },
    consentEmail: { value: 'granted', over: [] },
  });

  it('both stand where they change different fields', () => {
    const state = joined([
      base,
      edit('e1', 'box-a', 5, { name: { value: 'Anna', over: ['e0'] } }),
      edit('e2', 'box-b', 4, { phone: { value: '2', over: ['e0'] } }),
    ]);
    expect(valuesOf(state)).toMatchObject({ name: 'Anna', phone: '2' });
    expect(losersOf(state)).toEqual([]);
  });

  it('go to the later clock in one field, ties to the greater box, and the one that lost is kept', () => {
    const later = joined([
      base,
      edit('e1', 'box-a', 5, { name: { value: 'Anna', over: ['e0'] } }),
      edit('e2', 'box-b', 4, { name: { value: 'Anne', over: ['e0'] } }),
    ]);
    expect(valuesOf(later)['name']).toBe('Anna');
    expect(losersOf(later)).toEqual([{ field: 'name', edit: 'e2', value: 'Anne', hlc: hlcOf(4), box: 'box-b' }]);
    const tied = joined([
      base,
      edit('e1', 'box-a', 5, { name: { value: 'Anna', over: ['e0'] } }),
      edit('e2', 'box-b', 5, { name: { value: 'Anne', over: ['e0'] } }),
    ]);
    expect(valuesOf(tied)['name']).toBe('Anne');
  });

  it('a later yes that has seen the no stands, one that has not does not', () => {
    const denied = edit('e1', 'box-a', 2, { consentEmail: { value: 'denied', over: ['e0'] } });
    const unseen = edit('e2', 'box-b', 9, { consentEmail: { value: 'granted', over: ['e0'] } });
    expect(valuesOf(joined([base, denied, unseen]))['consentEmail']).toBe('denied');
    const having = edit('e3', 'box-b', 9, { consentEmail: { value: 'granted', over: ['e1', 'e2'] } });
    expect(valuesOf(joined([base, denied, unseen, having]))['consentEmail']).toBe('granted');
  });

  it('a write of next year counts as one of now', () => {
    const ahead = edit('e1', 'box-b', 900, { name: { value: 'Future', over: ['e0'] } });
    const state = join(joined([base]), stateOfEdit(ahead, hlcOf(7)));
    const after = join(state, stateOfEdit(edit('e2', 'box-a', 8, { name: { value: 'Now', over: ['e0'] } })));
    expect(valuesOf(after)['name']).toBe('Now');
    expect(after.judged['box-b']).toBe(hlcOf(900));
  });

  it('are bounded with what stands and what would stand next', () => {
    const many = Array.from({ length: 9 }, (_, at) =>
      edit(`e${at + 1}`, 'box-b', at, { name: { value: `n${at}`, over: ['e0'] } }),
    );
    const state = bounded(joined([base, ...many]), 3);
    expect(seenOf(state, 'name')).toEqual(['e9', 'e8', 'e7']);
    expect(valuesOf(state)).toEqual(valuesOf(joined([base, ...many])));
  });

  it('takes a field of any name as data', () => {
    const odd = edit('e1', 'box-b', 2, Object.fromEntries([['__proto__', { value: 'x', over: [] }]]));
    const state = join(joined([base]), stateOfEdit(odd));
    expect(Object.keys(state.fields)).toContain('__proto__');
    expect(({} as Record<string, unknown>)['live']).toBeUndefined();
  });
});

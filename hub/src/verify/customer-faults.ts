import { standing, type CustomerState } from '@branchline/domain/customer.js';
import { lookUpKeys, PERSONAL_FIELDS } from '@branchline/domain/customer-fields.js';
import { canonicalJson } from '@branchline/replication/canonical-json.js';
import { sha256Hex } from '@branchline/replication/chain.js';
import { WRITERS_MAX } from '@branchline/replication/customer-record.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import { z } from 'zod';
import { openedValues } from '../customers/open-customers.js';
import { mayBeRegion, replayEdits, type CameEdit, type Replayed } from '../customers/replay-edits.js';
import type { CorrectedWhat } from './corrections.js';
import type { CustomerRows, OpenRow } from './customer-rows.js';

/** `isOf`: the row that all stores build on, the row in clear, or a person who was erased and is there again. */
export type CustomerFault = { what: CorrectedWhat; detail: string; isOf: 'customer' | 'open' | 'erasure' };

const HASH_CHARACTERS = 16;

const text = z.string();
const writer = { edit: text, hlc: text, box: text };
const field = z.strictObject({
  live: z.array(z.strictObject({ ...writer, value: text.nullable() })),
  past: z.array(text),
});
const stateSchema = z.strictObject({
  fields: z.record(text, field),
  deleted: z.strictObject(writer).nullable(),
  judged: z.record(text, text),
});

/** What lies in a row that somebody wrote into may be anything. */
export function isState(state: unknown): state is CustomerState {
  return stateSchema.safeParse(state).success;
}

/**
 * What the rows of a customer say that its edits do not. Reports are read by people and kept for long: a field is named, and
 * what it says is told by its hash, of what is sealed and never of clear text, which could be found out by trying.
 */
export function faultsOfCustomer(
  rows: CustomerRows,
  edits: readonly CameEdit[],
  personsMaster: Buffer,
): CustomerFault[] {
  const place = `customer ${rows.id}`;
  const of = (isOf: CustomerFault['isOf'], what: CorrectedWhat, detail: string): CustomerFault[] => [
    { isOf, what, detail: `${place}${detail}` },
  ];
  if (edits.length === 0) return of('customer', 'extra-row', ': no edit leads to it');
  if (rows.state === null) return of('customer', 'missing-row', ' has no row in customer');
  if (!isState(rows.state)) return of('customer', 'altered-row', ', state is none of a customer');
  const faults = erasureFaults(rows).flatMap((detail) => of('erasure', 'altered-row', detail));
  const told = isErased(rows) ? strangerIn(rows.state, edits) : differenceOfRow(rows, edits);
  if (told !== null) faults.push(...of('customer', 'altered-row', `, ${told}`));
  const [what, detail] = faultOfOpen(rows, personsMaster) ?? [];
  if (what !== undefined) faults.push(...of('open', what, `, ${detail}`));
  return faults;
}

export function isErased({ erasedAtMs, keyErasedAtMs, isErasureTold }: CustomerRows): boolean {
  return isErasureTold || (erasedAtMs !== null && keyErasedAtMs !== null);
}

/** Key, row and what the stores were told have to agree. */
function erasureFaults({ erasedAtMs, keyErasedAtMs, isErasureTold, isOtherKeyHere, wrapped }: CustomerRows): string[] {
  const isRowErased = erasedAtMs !== null;
  const isKeyDestroyed = keyErasedAtMs !== null && wrapped === null;
  if (isErasureTold) {
    if (!isKeyDestroyed || isOtherKeyHere) return [' was erased, and its key is there'];
    return isRowErased ? [] : [' was erased, and its row does not say so'];
  }
  if (isKeyDestroyed) return [' has no key any more, and no store was told that it was erased'];
  return isRowErased ? [' is called erased, and its key is there'] : [];
}

function differenceOfRow(rows: CustomerRows, edits: readonly CameEdit[]): string | null {
  const state = rows.state as CustomerState;
  const { state: expected, isCut } = expectedState(state, edits);
  if (isCut) return strangerIn(state, edits);
  const told = differenceOfStates(state, expected);
  if (told !== null) return told;
  const region = standing(expected, 'region')?.value ?? null;
  if (rows.region !== region) return `region is ${rows.region}, its edits come to ${region}`;
  if (rows.isDeleted !== (expected.deleted !== null))
    return rows.isDeleted ? 'is deleted, and no edit says so' : 'is not deleted, and an edit says so';
  const makers = edits.filter(({ op, from }) => op === 'create' && from === 'branch').map(({ branch }) => branch);
  const isMaker = rows.madeBy === null ? makers.length === 0 : makers.includes(rows.madeBy);
  return isMaker ? null : `made_by is ${rows.madeBy}, its edits say ${makers[0] ?? null}`;
}

/** What its edits come to; where branches told of its region at once, with what was decided then. */
export function expectedState(state: CustomerState | null, edits: readonly CameEdit[]): Replayed {
  const replayed = replayEdits(edits);
  const region = state?.fields['region'];
  if (state === null || region === undefined || !mayBeRegion(state, edits)) return replayed;
  return { ...replayed, state: { ...replayed.state, fields: { ...replayed.state.fields, region } } };
}

function differenceOfStates(state: CustomerState, expected: CustomerState): string | null {
  for (const field of [...new Set([...Object.keys(expected.fields), ...Object.keys(state.fields)])].sort()) {
    const [kept, said] = [ownJson(state.fields, field), ownJson(expected.fields, field)];
    if (kept !== said) return `field ${field} is ${hashOf(kept)}, its edits come to ${hashOf(said)}`;
  }
  for (const part of ['deleted', 'judged'] as const) {
    const [kept, said] = [canonicalJson(state[part]), canonicalJson(expected[part])];
    if (kept !== said) return `${part} is ${hashOf(kept)}, its edits come to ${hashOf(said)}`;
  }
  return null;
}

/** Of an erased person only what came later is left: whatever is there has to be of an edit. */
function strangerIn(state: CustomerState, edits: readonly CameEdit[]): string | null {
  for (const [field, { live }] of Object.entries(state.fields)) {
    if (live.length > WRITERS_MAX) return `field ${field} has ${live.length} writes`;
    for (const { edit, value, box } of live) {
      const isOfEdit = edits.some(
        ({ id, box: own, changes }) => id === edit && own === box && changes[field]?.value === value,
      );
      if (!isOfEdit) return `field ${field} is ${hashOf(canonicalJson({ edit, value, box }))}, which no edit says`;
    }
  }
  return null;
}

function faultOfOpen(rows: CustomerRows, personsMaster: Buffer): [CorrectedWhat, string] | null {
  const { id, state, open, opened, wrapped } = rows;
  if (isErased(rows)) return open === null ? null : ['extra-row', 'who was erased, has a row in customer_open'];
  if (wrapped === null) {
    if (open !== null) return ['extra-row', 'whose key is not here, has a row in customer_open'];
    return opened ? ['altered-row', 'whose key is not here, is called open'] : null;
  }
  // The opener is at it, or has it before it: what stands is written anew.
  if (!opened) return null;
  if (open === null) return ['missing-row', 'which is open, has no row in customer_open'];
  const key = unwrapPersonKey(id, wrapped, personsMaster);
  if (key === null) return ['altered-row', 'its key was not wrapped by this hub'];
  const cipher = new PersonCipher(id, key);
  const values = openedValues(cipher, state as CustomerState);
  const expected: OpenRow = { ...values, ...lookUpKeys(values) };
  const differing = [...PERSONAL_FIELDS, 'nameKey', 'emailKey', 'phoneKey'] as const;
  const field = differing.find((name) => open[name] !== expected[name]);
  if (field === undefined) return null;
  const [kept, said] = [open[field], expected[field]].map((text) => (text === null ? 'nothing' : sealedHash(text)));
  return ['altered-row', `field ${field} in customer_open is ${kept}, its edits come to ${said}`];

  function sealedHash(text: string): string {
    return hashOf(cipher.seal(field as string, text));
  }
}

function ownJson(fields: CustomerState['fields'], field: string): string {
  return Object.hasOwn(fields, field) ? canonicalJson(fields[field]) : 'nothing';
}

function hashOf(text: string): string {
  return sha256Hex(text).slice(0, HASH_CHARACTERS);
}

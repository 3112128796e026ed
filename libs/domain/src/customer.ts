import { isStricterConsent } from './customer-consent.js';
import { isConsent } from './customer-fields.js';

/**
 * A customer is changed at many places at once, and only the hub decides. What has been decided is a join of edits: it comes
 * out the same in whatever order they arrive and however often (`join` is commutative, associative and idempotent).
 *
 * Of each field the writes are kept that no later writer had seen (`live`). A change names those that it replaces (`over`),
 * so that *concurrent* is known and not guessed from clocks: two writes are concurrent when neither is over the other. Where
 * several are live one stands: the stricter consent; of other fields the later by clock, ties to the greater box. The others
 * have lost, and stay beside it until somebody writes who has seen them.
 *
 * Values are opaque: the hub joins what it cannot read.
 */
export type FieldWrite = {
  /** Id of the edit that wrote it. */
  edit: string;
  value: string | null;
  /** Hybrid logical clock as text that sorts. */
  hlc: string;
  box: string;
};

export type FieldState = {
  live: FieldWrite[];
  /** Edits that were written over, also those that have not come yet. */
  past: string[];
};

export type CustomerState = {
  fields: Record<string, FieldState>;
  /** The first delete, for ever: no update brings a customer back. */
  deleted: Omit<FieldWrite, 'value'> | null;
  /** By box the clock of its latest edit that is in here: what an edge may stop showing as pending. */
  judged: Record<string, string>;
};

export type FieldChange = { value: string | null; over: string[] };

export type CustomerEdit = {
  id: string;
  op: 'create' | 'edit' | 'delete';
  box: string;
  hlc: string;
  changes: Record<string, FieldChange | undefined>;
};

export const NO_CUSTOMER: CustomerState = { fields: {}, deleted: null, judged: {} };

/**
 * What one edit says on its own; to be joined with what others say.
 * @param hlcMax a clock beyond this counts as this: a box of next year must not win until then
 */
export function stateOfEdit(edit: CustomerEdit, hlcMax = edit.hlc): CustomerState {
  const hlc = edit.hlc < hlcMax ? edit.hlc : hlcMax;
  const fields: CustomerState['fields'] = {};
  for (const [field, change] of Object.entries(edit.changes)) {
    if (change === undefined) continue;
    const { value, over } = change;
    const past = sortedSet(over.filter((id) => id !== edit.id));
    setOwn(fields, field, { live: [{ edit: edit.id, value, hlc, box: edit.box }], past });
  }
  return {
    fields,
    deleted: edit.op === 'delete' ? { edit: edit.id, hlc, box: edit.box } : null,
    judged: { [edit.box]: edit.hlc },
  };
}

export function join(a: CustomerState, b: CustomerState): CustomerState {
  const fields: CustomerState['fields'] = {};
  for (const field of sortedSet([...Object.keys(a.fields), ...Object.keys(b.fields)])) {
    setOwn(fields, field, joinField(ownOf(a.fields, field), ownOf(b.fields, field)));
  }
  const judged: CustomerState['judged'] = {};
  for (const box of sortedSet([...Object.keys(a.judged), ...Object.keys(b.judged)])) {
    const [one = '', other = ''] = [ownOf(a.judged, box), ownOf(b.judged, box)];
    setOwn(judged, box, one > other ? one : other);
  }
  return { fields, deleted: earlier(a.deleted, b.deleted), judged };
}

function joinField(a: FieldState | undefined, b: FieldState | undefined): FieldState {
  const past = sortedSet([...(a?.past ?? []), ...(b?.past ?? [])]);
  const gone = new Set(past);
  const live = new Map<string, FieldWrite>();
  for (const write of [...(a?.live ?? []), ...(b?.live ?? [])]) {
    if (!gone.has(write.edit)) live.set(identityOf(write), write);
  }
  return { live: [...live.keys()].sort().flatMap((identity) => live.get(identity) ?? []), past };
}

/** The whole write, so that one id used twice, which no honest box does, still comes to one outcome. */
function identityOf({ hlc, box, edit, value }: FieldWrite): string {
  return JSON.stringify([hlc, box, edit, value]);
}

function earlier(a: CustomerState['deleted'], b: CustomerState['deleted']): CustomerState['deleted'] {
  if (a === null || b === null) return a ?? b;
  const [one, other] = [a, b].map(({ hlc, box, edit }) => `${hlc} ${box} ${edit}`) as [string, string];
  return one < other ? a : b;
}

/** Which of a field's live writes stands; null where nobody wrote it. */
export function standing(state: CustomerState, field: string): FieldWrite | null {
  let best: FieldWrite | null = null;
  for (const write of ownOf(state.fields, field)?.live ?? []) {
    if (best === null || beats(field, write, best)) best = write;
  }
  return best;
}

function beats(field: string, one: FieldWrite, other: FieldWrite): boolean {
  if (isConsent(field) && one.value !== other.value) return isStricterConsent(one.value, other.value);
  return identityOf(one) > identityOf(other);
}

/** What stands, by field; of a deleted customer too. */
export function valuesOf(state: CustomerState): Record<string, string | null> {
  const values: Record<string, string | null> = {};
  for (const field of Object.keys(state.fields)) setOwn(values, field, standing(state, field)?.value ?? null);
  return values;
}

/** What lost against a write that had not seen it. */
export function losersOf(state: CustomerState): (FieldWrite & { field: string })[] {
  return Object.entries(state.fields).flatMap(([field, { live }]) => {
    const winner = standing(state, field);
    return live
      .filter((write) => write !== winner && write.value !== winner?.value)
      .map((write) => ({ field, ...write }));
  });
}

/** What a change of the field is over, by who sees this. */
export function seenOf(state: CustomerState, field: string): string[] {
  return (ownOf(state.fields, field)?.live ?? []).map(({ edit }) => edit);
}

/**
 * The greatest clock that an edit of `box` has to be later than; null: none. Of other boxes that is what stands here and not
 * what they said: the hub has bounded it.
 */
export function latestHlc(state: CustomerState, box: string): string | null {
  const clocks = Object.values(state.fields).flatMap(({ live }) => live.map(({ hlc }) => hlc));
  const own = ownOf(state.judged, box);
  if (own !== undefined) clocks.push(own);
  if (state.deleted !== null) clocks.push(state.deleted.hlc);
  return clocks.reduce<string | null>((latest, hlc) => (latest === null || hlc > latest ? hlc : latest), null);
}

/** Edits that have come cannot come again where each is taken once: what is left of `past` waits for one that has not. */
export function withoutPast(state: CustomerState, hasCome: (edit: string) => boolean): CustomerState {
  const fields: CustomerState['fields'] = {};
  for (const [field, { live, past }] of Object.entries(state.fields))
    setOwn(fields, field, { live, past: past.filter((edit) => !hasCome(edit)) });
  return { ...state, fields };
}

/** No honest chain comes near: against boxes that make up edits, writers and what they have seen. */
const PAST_MAX = 256;
const JUDGED_MAX = 256;

/** What stands, and of the rest as much as can be kept: of each field `liveMax` writes, those that would stand next first. */
export function bounded(state: CustomerState, liveMax: number): CustomerState {
  const fields: CustomerState['fields'] = {};
  for (const [field, { live, past }] of Object.entries(state.fields)) {
    const kept = live.length <= liveMax ? live : ranked(field, live).slice(0, liveMax);
    setOwn(fields, field, { live: kept, past: past.slice(-PAST_MAX) });
  }
  const judged = Object.entries(state.judged)
    .sort(([, a], [, b]) => (a < b ? 1 : -1))
    .slice(0, JUDGED_MAX);
  return { ...state, fields, judged: Object.fromEntries(judged) };
}

function ranked(field: string, live: readonly FieldWrite[]): FieldWrite[] {
  return [...live].sort((a, b) => (beats(field, a, b) ? -1 : 1));
}

function sortedSet(items: readonly string[]): string[] {
  return [...new Set(items)].sort();
}

/** Names come from outside: `__proto__` is one like any other. */
function ownOf<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function setOwn<T>(record: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
}

import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedLines } from '../sync/archive.js';
import { SELECT_CONFLICT, shownConflict, type ConflictItem, type ConflictRow } from '../sync/conflicts.js';
import { DamagedChunk } from '../sync/journal-chunk.js';
import { SELECT_QUARANTINED, shownQuarantined, type QuarantineItem, type QuarantineRow } from '../sync/quarantine.js';
import type { LineRef } from './record-conflict.js';

/** A line as it was archived, for the eyes of people: JSON where it is some, and nothing in it that reaches a person. */
export type ShownLine = { bytes: number; line: Record<string, unknown> | null; text: string | null };
export type QuarantineDetail = QuarantineItem & { archived: ShownLine | null };
export type ConflictDetail = ConflictItem & {
  /** What each says: the archived lines or, where it is not about lines, what was noted. */
  contents: { hub: ShownLine | Record<string, unknown> | null; branch: ShownLine | Record<string, unknown> | null };
};

/** @throws Problem `not-found` for what is not of these branches */
export async function showQuarantined(tx: Tx, id: string, branchIds: readonly string[]): Promise<QuarantineDetail> {
  const [row] = await tx.query<QuarantineRow & { branchId: string }>(
    `${SELECT_QUARANTINED} WHERE q.id = $1 AND q.branch_id = ANY ($2::uuid[])`,
    [id, branchIds],
  );
  if (!row) throw problem('not-found');
  const branchId = await branchIdOf(tx, row.branch);
  return { ...shownQuarantined(row), archived: await shownLine(tx, branchId, row) };
}

/** @throws Problem `not-found` for what is not of these branches */
export async function showConflict(tx: Tx, id: string, branchIds: readonly string[]): Promise<ConflictDetail> {
  const [row] = await tx.query<ConflictRow & Noted>(
    `${SELECT_CONFLICT.replace('c.at\n', 'c.at, c.hub_content AS "hubContent", c.branch_content AS "branchContent"\n')}
     WHERE c.id = $1 AND c.branch_id = ANY ($2::uuid[])`,
    [id, branchIds],
  );
  if (!row) throw problem('not-found');
  const { hubContent, branchContent, ...conflict } = row;
  const item = shownConflict(conflict);
  const branchId = await branchIdOf(tx, row.branch);
  const contents = {
    hub: hubContent ?? (await shownLine(tx, branchId, item.first)),
    branch: branchContent ?? (await shownLine(tx, branchId, item.second)),
  };
  return { ...item, contents };
}

type Noted = { hubContent: Record<string, unknown> | null; branchContent: Record<string, unknown> | null };

async function branchIdOf(tx: Tx, code: string): Promise<string> {
  return (await tx.one<{ id: string }>('SELECT id FROM branch WHERE code = $1', [code])).id;
}

const TEXT_CHARACTERS_MAX = 2_000;

async function shownLine(tx: Tx, branchId: string, ref: LineRef | null): Promise<ShownLine | null> {
  if (ref === null) return null;
  let bytes: Buffer;
  try {
    const [line] = await archivedLines(tx, { branchId, incarnation: ref.incarnation }, [ref.seq]);
    if (!line) return null;
    ({ bytes } = line);
  } catch (error) {
    if (error instanceof DamagedChunk) return null;
    throw error;
  }
  const line = parsed(bytes);
  // What is no JSON may hold anything, a person's name as well: how long it is says enough, and how it begins.
  const text = line === null ? [...bytes.subarray(0, TEXT_CHARACTERS_MAX)].map(printable).join('').slice(0, 40) : null;
  return { bytes: bytes.length, line, text };
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
}

function parsed(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (withoutPersons(value, 0) as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Members that name or reach a person, wherever they stand, and the secrets of a till. */
const PERSONAL = new Set([
  ...['customerId', 'customer', 'name', 'firstName', 'lastName', 'email', 'phone', 'address', 'location', 'latitude'],
  ...['longitude', 'card', 'taxNumber', 'birthDate', 'tokenHash', 'codeHash', 'sealed', 'personal'],
]);
/** Names of goods are no one's. */
const NAMED_GOODS = 'product';
const DEPTH_MAX = 32;

function withoutPersons(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX) return null;
  if (Array.isArray(value)) return value.map((item) => withoutPersons(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const isOfGoods = Object.hasOwn(value, NAMED_GOODS);
  const kept = Object.entries(value).filter(([name]) => !PERSONAL.has(name) || (name === 'name' && isOfGoods));
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutPersons(member, depth + 1)]));
}

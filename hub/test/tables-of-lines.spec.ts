import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { sealPersonKeys } from '@branchline/replication/person-keys.js';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import { v7 } from 'uuid';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import type { Verification } from '../src/verify/answer.js';
import type { Rebuilt } from '../src/verify/rebuild-branch.js';
import { apiAt, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

/**
 * Which tables journal lines lead to, and that each of them is proved, column by column: the list is that of the database's
 * own catalog, so that a table which is added and in no comparison fails here.
 */
jest.setTimeout(240_000);

/**
 * Made of lines, and compared with them: whatever is altered, missing, doubled or invented there is named by verify and
 * made anew by a repair. By table the columns that no line decides, and why.
 */
const PROVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sale: {},
  sale_line: {},
  sale_modifier: {},
  sale_line_tax: {},
  sale_tender: {},
  sale_reversal: {},
  sale_alias: {},
  sale_exception: { at: 'when people were told' },
  day_amendment: {},
  shift: {},
  shift_close: {},
  shift_tender: {},
  day_seal: {},
  device: {},
  customer_edit: {},
  customer: {
    merged_into: 'head office’s word',
    opened: 'whether the opener has been there: it comes again',
    changed_at: 'when the hub took the last edit in',
  },
  customer_open: {},
  sales_by_hour: {},
  sales_by_operator: {},
  sales_by_product: {},
  sales_by_tender: {},
  sales_by_modifier: {},
  stock_balance: {},
};

/** Lines lead there too, and it is proved otherwise, or is nothing of theirs to prove. */
const OTHERWISE: Readonly<Record<string, string>> = {
  journal_chunk: 'the archive itself: chain and signature (verify.spec)',
  incarnation: 'against the first line and the archived head (verify-histories.spec)',
  quarantine: 'why each line waits is looked at in its bytes (verify.spec)',
  branch_stream: 'the lock of a branch, and what it waits for: read by nobody as a fact',
  box_contact: 'when a box was heard of',
  conflict: 'people’s list of work: what it is about is marked on the sale or waits in quarantine',
  incident: 'people’s',
  person_key: 'of an offer; whether it was destroyed is compared with the customer and what stores were told',
  customer_edit_withheld:
    'what was decided as a delete came: where it is not heeded the customer differs from its edits',
  person_key_offer: 'what a box offered, by no line',
  outbox: 'on its way into the feed',
  feed_head: 'chained, and proved by every box',
  feed_latest: 'chained, and proved by every box',
  feed_record: 'chained, and proved by every box',
};

/** No line leads there. */
const NOT_OF_LINES = [
  ...['assortment', 'assortment_product', 'audit_entry', 'audit_head', 'backup_head', 'box', 'box_bundle'],
  ...['box_cursor', 'box_nonce', 'box_proof', 'branch', 'branch_verification', 'customer_office_edit'],
  ...[
    'enrolment_code',

    'feed_contract',
    'feed_segment',
    'hub_backup',
    'hub_state',
    'integration',
    'integration_token',
    'migration',
  ],
  ...[
    'person',
    'person_key_retired',
    'price_entry',
    'price_zone',
    'product',
    'product_barcode',
    'refresh_family',
    'refresh_token',
    'region',
  ],
  ...['release', 'sign_in_link', 'staff', 'tax_class', 'tenant'],
];

const clock = new ManualClock(Date.UTC(2026, 10, 20, 12));
let hub: HubHarness;
let box: TestBox;

const sql = (text: string, ...params: unknown[]) => hub.database.asOwner(text, params);

beforeAll(async () => {
  hub = await startHubHarness(clock);
  await createPlaces(hub.admin.api);
  for (const code of ['B001', 'B002']) await createBranch(hub.admin.api, code);
  box = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
});
afterAll(() => hub.close());

/** A day with a line of every kind, and of a sale all that can be said beside it. */
async function trade(): Promise<void> {
  const journal = box.newJournal();
  const device = { device: v7(), name: 'Till 1', till: 'T1', codeHash: 'b'.repeat(64), tokenHash: 'a'.repeat(64) };
  journal.append('device-enrol', device.device, device);
  const shift = journal.shiftOpen();
  const first = journal.sale({
    ...{ shift, changeMinor: 100 },
    lines: [
      { modifiers: [{ kind: 'loyalty', amountMinor: -150 }], information: [{ kind: 'coupon', amountMinor: 100 }] },
      {
        product: 'BREAD',
        taxes: [
          { code: 'A', ratePpm: 1, amountMinor: 100 },
          { code: 'B', ratePpm: 2, amountMinor: 161 },
        ],
      },
    ],
  });
  journal.sale({ receiptNumber: first.receiptNumber, tenderType: 'card' });
  journal.shiftClose(shift, 1);
  journal.daySeal('2026-11-20');
  const told = journal.sale({ flags: ['late'] });
  const voided = { ...first, ...reversedAmounts(first), id: v7(), receiptNumber: 'V1' };
  const reverses = { sale: first.id, contentHash: 'a'.repeat(64) };
  journal.append('sale', voided.id, { ...voided, reverses }, { refs: [`sale:${first.id}`] });
  const id = v7();
  const cipher = new PersonCipher(id, randomBytes(32));
  const change = (value: string) => ({ value, over: [] });
  const changes = { name: change(cipher.seal('name', 'Ann')), region: change('R1') };
  const edit = { id: v7(), customer: id, op: 'create', box: box.box, hlc: nextHlc(null, clock.now()), changes };
  journal.append('customer-edit', edit.id, edit);
  const { data } = await box.push(journal.push());
  expect(data.quarantined).toEqual([]);
  const again = box.newJournal({ epoch: 2 });
  again.saleAgain(told, 'OTHER-1');
  again.append('sale', v7(), { no: 'sale' });
  again.append('sale', told.id, { ...told, operator: 'eve' });
  expect((await box.push(again.push())).status).toBe(200);
}

async function giveKey(): Promise<void> {
  const api = apiAt(hub.url, box.token);
  const { data } = await api.get<{ sealingKey: string }>('/sync/v1/person-keys');
  const [row] = (await sql('SELECT id FROM customer')) as { id: string }[];
  const sealed = sealPersonKeys([{ person: row!.id, key: randomBytes(32) }], data.sealingKey);
  expect((await api.post('/sync/v1/person-keys', { sealed })).status).toBe(200);
  await hub.hub.app.get(CustomerOpener).settled();
  await hub.numbered();
}

async function tables(): Promise<string[]> {
  const rows = await sql(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  return rows.map((row) => (row as { name: string }).name);
}

const digests = async (names: readonly string[]): Promise<Map<string, unknown>> => {
  const digest = async (name: string): Promise<[string, unknown]> => [
    name,
    (await sql(`SELECT array_agg(md5(t::text) ORDER BY md5(t::text)) AS rows FROM "${name}" t`))[0],
  ];
  return new Map(await Promise.all(names.map(digest)));
};

describe('the tables that lines lead to', () => {
  it('are all known, and so are all others', async () => {
    const known = [...Object.keys(PROVED), ...Object.keys(OTHERWISE), ...NOT_OF_LINES].sort();
    expect(await tables()).toEqual(known);
    const before = await digests(known);
    await trade();
    await hub.numbered();
    const after = await digests(known);
    const changed = known.filter((name) => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)));
    expect(changed.filter((name) => NOT_OF_LINES.includes(name))).toEqual([]);
    // In clear what lines say stands once the key is here, which comes by itself.
    expect(Object.keys(PROVED).filter((name) => !changed.includes(name))).toEqual(['customer_open']);
    await giveKey();
    expect(await sql('SELECT FROM customer_open')).toHaveLength(1);
    expect((await verify()).differences).toEqual([]);
  });

  it.each(Object.keys(PROVED))('are proved in every column, and made anew: %s', async (table) => {
    const missed: string[] = [];
    for (const { name, alter } of await waysToAlter(table)) {
      for (const what of await missedIn(table, alter)) missed.push(`${name} ${what}`);
    }
    expect(missed).toEqual([]);
    expect((await verify()).differences).toEqual([]);
  });
});

/** What is not noticed of a change of a table, or not put right. It is undone in any case, so that the next begins anew. */
async function missedIn(table: string, alter: string): Promise<string[]> {
  const before = await rowsOf(table);
  await sql(`CREATE TABLE kept AS SELECT * FROM ${table}`);
  // A constraint may refuse it: then nobody can.
  const isAltered = await sql(alter).then(
    () => true,
    () => false,
  );
  const missed = isAltered ? await missedOf(table, before) : [];
  if (missed.length > 0) {
    const columns = (await columnsOf(table)).filter(({ isMade }) => !isMade).map(({ name }) => name);
    await sql(`TRUNCATE ${table}`);
    await sql(`INSERT INTO ${table} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM kept`);
  }
  await sql('DROP TABLE kept');
  return missed;
}

async function missedOf(table: string, before: readonly unknown[]): Promise<string[]> {
  const missed: string[] = [];
  if ((await verify()).outcome === 'equal') missed.push('is not noticed');
  const { status, data } = await hub.admin.api.post<Rebuilt>('/v1/fleet/B001/repair');
  if (status !== 200) return [...missed, `ends the repair: ${JSON.stringify(data)}`];
  await hub.hub.app.get(CustomerOpener).settled();
  await hub.numbered();
  if (data.count === 0) missed.push('is not mended');
  const after = await rowsOf(table);
  if (JSON.stringify(after) !== JSON.stringify(before))
    missed.push(
      `is not what it was: ${before.filter((row) => !after.includes(row))}, now ${after.filter((row) => !before.includes(row))}`,
    );
  return missed;
}

async function verify(): Promise<Verification> {
  const { status, data } = await hub.admin.api.post<Verification>('/v1/fleet/B001/verify');
  expect(status).toBe(200);
  return data;
}

async function rowsOf(table: string): Promise<unknown[]> {
  const left = Object.keys(PROVED[table] ?? {});
  const rows = await sql(`SELECT to_jsonb(t) - $1::text[] AS row FROM ${table} t`, left);
  return rows.map((row) => JSON.stringify(row)).sort();
}

type Column = { name: string; type: string; isKey: boolean; isMade: boolean };

async function columnsOf(table: string): Promise<Column[]> {
  return (await sql(
    `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attgenerated <> '' AS "isMade",
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS "isKey"
     FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    table,
  )) as Column[];
}

/** Whose it is stands behind the wall: in another's name a row is there for nobody. */
const OF_THE_WALL = ['tenant_id', 'branch_id'];

/** Each column of one row altered, the row missing, the row doubled under another key. */
async function waysToAlter(table: string): Promise<{ name: string; alter: string }[]> {
  const columns = await columnsOf(table);
  const own = columns.filter(({ name, isMade }) => !isMade && !OF_THE_WALL.includes(name));
  const one = `ctid = (SELECT ctid FROM ${table} ORDER BY md5(${table}::text) LIMIT 1)`;
  const altered = own.filter(({ name }) => !Object.keys(PROVED[table] ?? {}).includes(name));
  const key = own.findLast(({ isKey }) => isKey) as Column;
  const list = columns.filter(({ isMade }) => !isMade).map(({ name }) => name);
  const copied = list.map((name) => (name === key.name ? otherOf(key) : name));
  return [
    ...altered.map((column) => ({
      name: column.name,
      alter: `UPDATE ${table} SET ${column.name} = ${otherOf(column)} WHERE ${one}`,
    })),
    { name: 'a missing row', alter: `DELETE FROM ${table} WHERE ${one}` },
    {
      name: 'a doubled row',
      alter: `INSERT INTO ${table} (${list.join(', ')}) SELECT ${copied.join(', ')} FROM ${table} WHERE ${one}`,
    },
  ];
}

const OTHER: Readonly<Record<string, (name: string) => string>> = {
  uuid: () => 'gen_random_uuid()',
  text: (name) => `coalesce(${name} || 'x', 'x')`,
  boolean: (name) => `NOT ${name}`,
  date: (name) => `${name} + 1`,
  'timestamp with time zone': (name) => `coalesce(${name} + interval '1 hour', now())`,
  jsonb: (name) => `jsonb_build_array(${name})`,
};

function otherOf({ name, type }: Column): string {
  return (OTHER[type] ?? ((number: string) => `coalesce(${number} + 1, 1)`))(name);
}

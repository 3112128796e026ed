import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { DIMENSIONS } from '../src/reports/dimensions.js';
import { HubSecrets } from '../src/secrets.js';
import type { Verification } from '../src/verify/answer.js';
import { rebuildBranches, type BranchRebuilt } from '../src/verify/rebuild-branches.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { saleBody, type JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

const clock = new ManualClock(Date.parse('2026-11-22T08:00:00Z'));
let harness: HubHarness;
let box: TestBox;
let second: JournalBuilder;

const CURRENCIES = { B001: 'ZAR', B002: 'EUR', B003: 'ZAR' } as const;

async function pushed(to: TestBox, journal: JournalBuilder, fromSeq = 1): Promise<void> {
  const { status, data } = await to.push(journal.push(fromSeq, journal.seq));
  if (status !== 200) throw new Error(`push: ${status} ${JSON.stringify(data)}`);
}

/** Quarantine of several kinds, a restored box with an alias and a number printed twice, a Z and a seal, two currencies. */
async function trade(to: TestBox): Promise<JournalBuilder> {
  const first = to.newJournal();
  const shift = first.shiftOpen();
  const sold = first.sale({ shift, changeMinor: 100, lines: [{}, { product: 'BREAD', milli: 456, priceMinor: 2500 }] });
  first.sale({
    ...{ shift, tenderType: 'card', operator: 'ben' },
    lines: [
      { modifiers: [{ kind: 'loyalty', amountMinor: -150 }], information: [{ kind: 'coupon', amountMinor: 100 }] },
    ],
  });
  first.append('sale', v7(), { no: 'sale' });
  first.append('sale', sold.id, { ...sold, operator: 'eve' });
  first.append('sale', v7(), { ...sold, id: v7(), currency: 'XXX' });
  first.sale({ businessDate: '2026-11-21', soldAtMs: Date.UTC(2026, 10, 21, 9) });
  first.shiftClose(shift, 1);
  first.daySeal('2026-11-20', ['T2']);
  first.sale({ flags: ['late'] });
  await pushed(to, first);
  const previous = { incarnation: first.incarnation, seq: first.seq, hash: first.headHash };
  const restored = to.newJournal({ epoch: 2, previous });
  restored.saleAgain(sold, `${to.branchCode}-T1-2-000001`);
  restored.sale({
    receiptNumber: sold.receiptNumber,
    businessDate: '2026-11-21',
    soldAtMs: Date.UTC(2026, 10, 21, 10),
  });
  await pushed(to, restored);
  return restored;
}

async function tradeInEuro(to: TestBox): Promise<JournalBuilder> {
  const journal = to.newJournal();
  for (let no = 1; no <= 3; no += 1) {
    const sale = { ...saleBody(to.branchCode, no, 1, { operator: `op${no}` }), currency: 'EUR' };
    journal.append('sale', sale.id, sale);
  }
  await pushed(to, journal);
  return journal;
}

beforeAll(async () => {
  harness = await startHubHarness(clock);
  await createPlaces(harness.admin.api);
  const zone = { code: 'Z2', name: 'Euro', timeZone: 'Europe/Paris', currency: 'EUR' };
  await create(harness.admin.api, '/v1/price-zones', zone);
  for (const [code, currency] of Object.entries(CURRENCIES)) {
    await createBranch(harness.admin.api, code, currency === 'EUR' ? { currency, priceZone: 'Z2' } : {});
    const enrolled = await TestBox.enrol(harness.url, harness.admin.api, code);
    const journal = await (currency === 'EUR' ? tradeInEuro(enrolled) : trade(enrolled));
    if (code === 'B001') [box, second] = [enrolled, journal];
  }
});
afterAll(() => harness.close());

/** Every answer of every report, byte for byte. */
async function reports(): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  for (const dimension of DIMENSIONS) {
    for (const groupBy of new Set([dimension, `branch,${dimension}`, `businessDate,${dimension}`])) {
      for (const branch of ['B001', 'B002', 'B001,B003']) {
        const path = `/v1/reports/sales?groupBy=${groupBy}&from=2026-11-01&to=2026-11-30&branch=${branch}`;
        const { data } = await harness.admin.api.get<string>(path, { transformResponse: (text: string) => text });
        answers.set(path, data);
      }
    }
  }
  return answers;
}

const tamper = (sql: string, ...params: unknown[]) => harness.database.asOwner(sql, params);

async function verify(code = 'B001'): Promise<Verification> {
  return (await harness.admin.api.post<Verification>(`/v1/fleet/${code}/verify`)).data;
}

async function rebuild(asked: { tenant?: string; branch?: string } = {}): Promise<BranchRebuilt[]> {
  const told: BranchRebuilt[] = [];
  const { personsMaster } = harness.hub.app.get(HubSecrets);
  const { database } = harness;
  const parts = { database, personsMaster, nowMs: clock.now(), newId: v7, actor: 'command:rebuild-rollups' };
  await rebuildBranches(parts, asked, (branch) => told.push(branch));
  return told;
}

const FACTS = [
  ...[
    'sale',
    'sale_line',
    'sale_modifier',
    'sale_line_tax',
    'sale_tender',
    'sale_alias',
    'sale_exception',
    'day_amendment',
  ],
  ...['shift', 'shift_close', 'shift_tender', 'day_seal', 'device'],
];
const SUMS = [
  'sales_by_hour',
  'sales_by_product',
  'sales_by_tender',
  'sales_by_operator',
  'sales_by_modifier',
  'stock_balance',
];

describe('rows and sums made anew from the archive', () => {
  it('give the same bytes of every report, all of them gone before', async () => {
    const before = await reports();
    const read = async (table: string): Promise<unknown> =>
      (await tamper(`SELECT array_agg(md5(t::text) ORDER BY md5(t::text)) AS rows FROM ${table} t`))[0];
    const rows = new Map<string, unknown>();
    for (const table of [...FACTS, ...SUMS]) rows.set(table, await read(table));
    for (const table of [...FACTS, ...SUMS]) await tamper(`TRUNCATE ${table}`);
    expect([...(await reports())]).not.toEqual([...before]);
    const told = await rebuild();
    expect(told.map(({ branch, outcome }) => [branch, outcome])).toEqual([
      ['B001', 'rebuilt'],
      ['B002', 'rebuilt'],
      ['B003', 'rebuilt'],
    ]);
    expect([...(await reports())]).toEqual([...before]);
    for (const [table, kept] of rows) expect({ table, rows: await read(table) }).toEqual({ table, rows: kept });
    for (const code of Object.keys(CURRENCIES)) expect((await verify(code)).differences).toEqual([]);
  });

  it('touch nothing where nothing differs', async () => {
    const versions = await tamper('SELECT sum(xmin::text::bigint) AS sum FROM sale');
    expect((await rebuild()).map((told) => 'count' in told && told.count)).toEqual([0, 0, 0]);
    expect(await tamper('SELECT sum(xmin::text::bigint) AS sum FROM sale')).toEqual(versions);
  });

  it('are right while a branch pushes, and its last lines are in them', async () => {
    await tamper('DELETE FROM sale_tender WHERE branch_id = $1', box.branch);
    const from = second.seq + 1;
    for (let nth = 0; nth < 30; nth += 1)
      second.sale({ businessDate: '2026-11-21', soldAtMs: Date.UTC(2026, 10, 21, 11) });
    const pushing = (async () => {
      for (let seq = from; seq <= second.seq; seq += 3) {
        const { status } = await box.push(second.push(seq, Math.min(seq + 2, second.seq)));
        expect(status).toBe(200);
      }
    })();
    await Promise.all([pushing, rebuild({ branch: 'B001' })]);
    await rebuild({ branch: 'B001' });
    expect((await verify()).differences).toEqual([]);
  });
});

describe('a repair', () => {
  const repair = async () => (await harness.admin.api.post('/v1/fleet/B001/repair')).data;

  it('puts right what verify names, and only that; in the audit, with an incident for each kind', async () => {
    const before = await reports();
    await tamper(`UPDATE sale SET total_minor = total_minor + 1 WHERE branch_id = $1 AND operator = 'ben'`, box.branch);
    await tamper(`DELETE FROM shift_tender WHERE branch_id = $1`, box.branch);
    await tamper(
      `INSERT INTO sale_line SELECT tenant_id, branch_id, $2, line_no, product, name, quantity_milli, price_minor, price_per, price_source,
      amount_minor, discount_minor, net_minor, tax_minor, total_minor, tax_code, tax_rate_ppm FROM sale_line WHERE branch_id = $1 LIMIT 1`,
      box.branch,
      v7(),
    );
    await tamper(
      `INSERT INTO shift SELECT tenant_id, branch_id, $2, till, drawer, operator, float_minor, currency, opened_at, business_date, incarnation, seq, content_hash
      FROM shift WHERE branch_id = $1`,
      box.branch,
      v7(),
    );
    await tamper(
      `UPDATE sales_by_hour SET total_minor = 7 WHERE branch_id = $1 AND business_date = '2026-11-20'`,
      box.branch,
    );
    expect((await verify()).outcome).toBe('differs');
    const { count, corrected } = await repair();
    const kinds = corrected.map(({ what }: { what: string }) => what);
    expect(count).toBe(6);
    expect([...new Set(kinds)].sort()).toEqual(['altered-row', 'extra-row', 'rollup']);
    expect((await verify()).differences).toEqual([]);
    expect([...(await reports())]).toEqual([...before]);
    const incidents = (await harness.admin.api.get('/v1/incidents')).data.items;
    expect(incidents.filter(({ code }: { code: string }) => code === 'rows-repaired').length).toBeGreaterThan(2);
    const audit = (await harness.admin.api.get('/v1/audit')).data.items;
    expect(audit.find(({ action }: { action: string }) => action === 'branch.repair')).toMatchObject({
      subject: 'branch:B001',
    });
  });

  it('makes nothing from an archive that does not hold itself', async () => {
    await tamper('CREATE TABLE kept AS SELECT * FROM journal_chunk');
    await tamper(
      'UPDATE journal_chunk SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE branch_id = $1 AND first_seq = 1',
      box.branch,
    );
    await tamper(`UPDATE sale SET till = 'T9' WHERE branch_id = $1 AND operator = 'ben'`, box.branch);
    const { status, data } = await harness.admin.api.post('/v1/fleet/B001/repair');
    expect([status, data.code]).toEqual([409, 'archive-damaged']);
    expect(
      await tamper(`SELECT DISTINCT till FROM sale WHERE branch_id = $1 AND operator = 'ben'`, box.branch),
    ).toEqual([{ till: 'T9' }]);
    await tamper(
      'UPDATE journal_chunk c SET hashes = k.hashes FROM kept k WHERE k.branch_id = c.branch_id AND k.incarnation = c.incarnation AND k.last_seq = c.last_seq',
    );
    expect((await repair()).count).toBe(1);
  });

  it('is for whom it is allowed to, and another tenant’s branch is not there', async () => {
    const grants = [{ role: 'auditor', scope: 'tenant' }];
    const { data } = await harness.admin.api.post('/v1/people', { email: 'a@acme.example', name: 'A', grants });
    const auditor = await harness.signIn('a@acme.example', data.password);
    expect((await auditor.api.post('/v1/fleet/B001/repair')).status).toBe(403);
    const stranger = await harness.newTenant('OTHER');
    expect((await stranger.api.post('/v1/fleet/B001/repair')).status).toBe(404);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxiosResponse } from 'axios';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let journal: JournalBuilder;

type Row = Record<string, string | number | boolean | null>;
type Report = {
  rows: Row[];
  totals: Record<string, unknown>;
  completeness: Record<string, unknown>[];
  currency: string;
  asOf: string;
};

const report = (params: Record<string, unknown>): Promise<AxiosResponse<Report & { code: string }>> =>
  harness.admin.api.get('/v1/reports/sales', {
    params: { from: '2026-11-01', to: '2026-11-30', ...params },
    paramsSerializer: { indexes: null },
  });

beforeAll(async () => {
  harness = await startHubHarness();
  const { api } = harness.admin;
  await createPlaces(api);
  for (const code of ['B001', 'B002', 'B003']) await createBranch(api, code);
  await api.post('/v1/regions', { code: 'R2', name: 'Region 2' });
  await createBranch(api, 'B004', { region: 'R2' });
  box = await TestBox.enrol(harness.url, api, 'B001');
  journal = box.newJournal();
  journal.sale({
    lines: [
      {
        priceMinor: 1000,
        modifiers: [{ kind: 'loyalty', amountMinor: -150 }],
        information: [{ kind: 'manufacturer-coupon', amountMinor: 99 }],
      },
      { product: 'BREAD', priceMinor: 500, milli: 456 },
    ],
  });
  journal.sale({
    tenderType: 'card',
    operator: 'ben',
    businessDate: '2026-11-21',
    soldAtMs: Date.UTC(2026, 10, 20, 22, 30),
  });
  journal.sale({ changeMinor: 1, lines: [{ priceMinor: 1999, milli: 3000 }] });
  journal.daySeal('2026-11-20');
  expect((await box.push(journal.push())).status).toBe(200);
  const second = await TestBox.enrol(harness.url, api, 'B002');
  const other = second.newJournal();
  other.sale({ lines: [{ product: 'BREAD', milli: 2000, priceMinor: 750 }] });
  expect((await second.push(other.push())).status).toBe(200);
});
afterAll(() => harness.close());

describe('the sales report', () => {
  it('adds up by branch and business date, with the columns of the Z', async () => {
    const { status, data } = await report({ groupBy: 'branch,businessDate' });
    expect([status, data.currency]).toEqual([200, 'ZAR']);
    expect(data.rows).toEqual([
      {
        branch: 'B001',
        businessDate: '2026-11-20',
        baskets: 2,
        lines: 3,
        units: 4.456,
        amountMinor: 7225,
        discountMinor: 150,
        netMinor: 6152,
        taxMinor: 923,
        totalMinor: 7075,
      },
      {
        branch: 'B001',
        businessDate: '2026-11-21',
        baskets: 1,
        lines: 1,
        units: 1,
        amountMinor: 1999,
        discountMinor: 0,
        netMinor: 1738,
        taxMinor: 261,
        totalMinor: 1999,
      },
      {
        branch: 'B002',
        businessDate: '2026-11-20',
        baskets: 1,
        lines: 1,
        units: 2,
        amountMinor: 1500,
        discountMinor: 0,
        netMinor: 1304,
        taxMinor: 196,
        totalMinor: 1500,
      },
    ]);
    expect(data.totals).toEqual({
      baskets: 4,
      lines: 5,
      units: 7.456,
      amountMinor: 10724,
      discountMinor: 150,
      netMinor: 9194,
      taxMinor: 1380,
      totalMinor: 10574,
    });
  });

  it.each([
    'branch',
    'region',
    'businessDate',
    'hour',
    'product',
    'category',
    'operator',
    'product,category',
    'branch,hour',
    'region,product',
  ])('has the same totals by %s', async (groupBy) => {
    const { status, data } = await report({ groupBy });
    expect(status).toBe(200);
    expect(data.totals).toMatchObject({
      lines: 5,
      units: 7.456,
      amountMinor: 10724,
      discountMinor: 150,
      netMinor: 9194,
      taxMinor: 1380,
      totalMinor: 10574,
    });
    const isByProduct = /product|category/.test(groupBy);
    expect(data.totals['baskets']).toBe(isByProduct ? null : 4);
    expect(data.rows.reduce((sum, row) => sum + Number(row['totalMinor']), 0)).toBe(10574);
    expect(data.rows.every((row) => (row['baskets'] === null) === isByProduct)).toBe(true);
  });

  it('gives hours on the wall clock of the branch', async () => {
    const { data } = await report({ groupBy: 'hour' });
    expect(data.rows.map((row) => [row['hour'], row['baskets']])).toEqual([
      [0, 1],
      [14, 3],
    ]);
  });

  it('counts tenders net of change', async () => {
    const { data } = await report({ groupBy: 'tender' });
    expect(data.rows).toEqual([
      { tender: 'card', baskets: 1, amountMinor: 1999 },
      { tender: 'cash', baskets: 3, amountMinor: 8575 },
    ]);
    expect(data.totals).toEqual({ baskets: null, amountMinor: 10574 });
  });

  it('keeps apart what only informs', async () => {
    const { data } = await report({ groupBy: 'branch,modifierKind' });
    expect(data.rows).toEqual([
      { branch: 'B001', modifierKind: 'loyalty', informational: false, lines: 1, amountMinor: -150 },
      { branch: 'B001', modifierKind: 'manufacturer-coupon', informational: true, lines: 1, amountMinor: 99 },
    ]);
    expect(data.totals).toEqual({ lines: 1, amountMinor: -150, informational: { lines: 1, amountMinor: 99 } });
  });

  it('says of each branch how far it is known', async () => {
    const { data } = await report({ groupBy: 'branch', to: '2026-11-20', branch: 'B001,B002,B003' });
    const at = expect.stringMatching(/^2026-11-20T12:03:11\.\d{3}Z$/);
    const lastContactAt = expect.stringMatching(/Z$/);
    expect(data.completeness).toEqual([
      {
        branch: 'B001',
        complete: true,
        final: true,
        knownTo: { incarnation: journal.incarnation, epoch: 1, seq: 5, at },
        lastContactAt,
        amendments: 0,
      },
      {
        ...{ branch: 'B002', complete: false, final: false, knownTo: expect.objectContaining({ seq: 2 }) },
        ...{ lastContactAt, amendments: 0 },
      },
      { branch: 'B003', complete: false, final: false, knownTo: null, lastContactAt: null, amendments: 0 },
    ]);
    expect((await report({ groupBy: 'branch', to: '2026-11-21', branch: 'B001' })).data.completeness[0]).toMatchObject({
      complete: false,
    });
  });

  it('is complete but not final while a line before the seal waits in quarantine', async () => {
    const third = await TestBox.enrol(harness.url, harness.admin.api, 'B003');
    const stream = third.newJournal();
    stream.append('sale', 'x', { not: 'a sale' });
    stream.daySeal('2026-11-20');
    await third.push(stream.push());
    const { data } = await report({ groupBy: 'branch', to: '2026-11-20', branch: 'B003' });
    expect(data.completeness[0]).toMatchObject({ complete: true, final: false });
    const late = journal.append('sale', 'x', { not: 'a sale' });
    await box.push(journal.push(late));
    expect((await report({ groupBy: 'branch', to: '2026-11-20', branch: 'B001' })).data.completeness[0]).toMatchObject({
      complete: true,
      final: true,
    });
  });

  it('takes branches repeated or with commas, and says 404 for one that is not there or not theirs', async () => {
    expect((await report({ groupBy: 'branch', branch: ['B001', 'B002'] })).data.rows).toHaveLength(2);
    expect((await report({ groupBy: 'branch', branch: 'B002' })).data.totals['totalMinor']).toBe(1500);
    expect((await report({ groupBy: 'branch', branch: 'B999' })).status).toBe(404);
    const created = await harness.admin.api.post('/v1/people', {
      email: 'ana@acme.example',
      name: 'Ana',
      grants: [{ role: 'analyst', scope: 'region', id: 'R2' }],
    });
    const { api } = await harness.signIn('ana@acme.example', created.data.password);
    const params = { groupBy: 'branch', from: '2026-11-01', to: '2026-11-30' };
    expect(
      (await api.get('/v1/reports/sales', { params })).data.completeness.map((one: { branch: string }) => one.branch),
    ).toEqual(['B004']);
    expect((await api.get('/v1/reports/sales', { params: { ...params, branch: 'B001' } })).status).toBe(404);
    expect((await api.get('/v1/fleet')).status).toBe(403);
  });

  it.each([
    [{ groupBy: 'hour,product' }, 'dimensions-not-combinable'],
    [{ groupBy: 'tender,operator' }, 'dimensions-not-combinable'],
    [{ groupBy: 'colour' }, 'invalid-field'],
    [{ groupBy: 'branch', from: '2026-12-01' }, 'invalid-field'],
    [{ groupBy: 'branch', to: '2026-02-30' }, 'invalid-field'],
    [{ groupBy: 'branch', from: '0000-01-01' }, 'invalid-field'],
    [{ groupBy: 'branch', tenant: 'x' }, 'unknown-field'],
  ])('refuses %j with %s', async (params, code) => {
    const { status, data } = await report(params);
    expect([status, data.code]).toEqual([400, code]);
  });

  it('never adds two currencies', async () => {
    await harness.admin.api.post('/v1/price-zones', {
      code: 'ZUSD',
      name: 'Dollar zone',
      timeZone: 'UTC',
      currency: 'USD',
    });
    await createBranch(harness.admin.api, 'B005', { priceZone: 'ZUSD', currency: 'USD' });
    expect((await report({ groupBy: 'branch' })).data.code).toBe('mixed-currencies');
    expect((await report({ groupBy: 'branch', branch: 'B005' })).data).toMatchObject({
      rows: [],
      currency: 'USD',
      totals: { totalMinor: 0 },
    });
  });

  it('refuses sums that JSON cannot carry to the unit, and tells those that it can', async () => {
    await createBranch(harness.admin.api, 'B006');
    const rich = await TestBox.enrol(harness.url, harness.admin.api, 'B006');
    const stream = rich.newJournal();
    for (let at = 0; at < 901; at += 1)
      stream.sale({ lines: [{ priceMinor: 9_999_999_999_999 }], businessDate: at < 900 ? '2026-11-20' : '2026-11-21' });
    await rich.push(stream.push());
    const rows = await report({ groupBy: 'branch', branch: 'B006' });
    expect([rows.status, rows.data.code]).toEqual([400, 'bad-request']);
    const totals = await report({ groupBy: 'businessDate', branch: 'B006' });
    expect([totals.status, totals.data.code]).toEqual([400, 'bad-request']);
    const { data } = await report({ groupBy: 'branch', branch: 'B006', to: '2026-11-20' });
    expect(data.totals['totalMinor']).toBe(900 * 9_999_999_999_999);
  });

  it('adds up to the unit whatever stands between, and refuses units that JSON cannot carry to the thousandth', async () => {
    const keep = (day: string, minor: string, unitsMilli: string) =>
      harness.database.asOwner(
        `INSERT INTO sales_by_hour SELECT (jsonb_populate_record(r, jsonb_build_object(
           'business_date', $1::text, 'total_minor', $2::bigint, 'units_milli', $3::bigint))).*
         FROM sales_by_hour r JOIN branch b ON b.id = r.branch_id WHERE b.code = 'B002' AND r.business_date = '2026-11-20'`,
        [day, minor, unitsMilli],
      );
    const MAX = '9007199254740991';
    await keep('2027-11-25', MAX, '900719925474099');
    await keep('2027-11-26', MAX, '0');
    await keep('2027-11-27', `-${MAX}`, '0');
    await keep('2027-11-28', '0', MAX);
    const asked = (from: string, to: string) => report({ groupBy: 'businessDate', branch: 'B002', from, to });
    const { data } = await asked('2027-11-25', '2027-11-27');
    expect(data.totals).toMatchObject({ totalMinor: Number(MAX), units: 900719925474.099 });
    for (const [from, to] of [
      ['2027-11-25', '2027-11-26'],
      ['2027-11-28', '2027-11-28'],
    ] as const) {
      const refused = await asked(from, to);
      expect([from, refused.status, refused.data.code]).toEqual([from, 400, 'bad-request']);
    }
  });

  it('is listed in OpenAPI with what combines', async () => {
    const { data } = await harness.anonymous.get('/docs/json');
    expect(data.paths['/v1/reports/sales'].get.description).toContain(
      'at most one of: hour; operator; product and/or category; tender; modifierKind',
    );
  });
});

describe('the fleet', () => {
  it('shows where each branch stands', async () => {
    const { data } = await harness.admin.api.get('/v1/fleet?limit=1');
    expect(data.items).toEqual([
      expect.objectContaining({
        branch: 'B001',
        box: box.box,
        incarnation: journal.incarnation,
        epoch: 1,
        appliedSeq: 6,
        headHash: journal.headHash,
        quarantined: 1,
        sealedTo: '2026-11-20',
      }),
    ]);
    const next = await harness.admin.api.get(`/v1/fleet?after=${data.next}`);
    expect(next.data.items.map((item: { branch: string }) => item.branch)).toEqual([
      'B002',
      'B003',
      'B004',
      'B005',
      'B006',
    ]);
    expect(next.data.items[2]).toMatchObject({
      box: null,
      incarnation: null,
      appliedSeq: 0,
      headHash: null,
      lastContactAt: null,
      sealedTo: null,
    });
  });
});

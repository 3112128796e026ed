import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import { v7 } from 'uuid';
import type { Verification } from '../src/verify/answer.js';
import type { Rebuilt } from '../src/verify/rebuild-branch.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

/** A day with a post-void, a doubled number, a duplicate that the store told, an amendment, and a sale that two histories tell. */
async function traded(): Promise<void> {
  branches += 1;
  const code = `Y${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  box = await TestBox.enrol(harness.url, harness.admin.api, code);
  const journal = box.newJournal();
  const first = journal.sale();
  journal.sale({ receiptNumber: first.receiptNumber, lines: [{ priceMinor: 500 }] });
  const told = journal.sale({ lines: [{ priceMinor: 700 }] });
  const again = { ...told, id: v7(), receiptNumber: 'AGAIN', duplicateOf: told.id };
  journal.append('sale', again.id, again);
  for (const priceMinor of [300, 400]) journal.sale({ flags: ['late'], lines: [{ priceMinor }] });
  const basket = { lines: [{ priceMinor: 900 }, { product: 'BREAD' }] };
  for (const operator of ['ben', 'ben']) journal.sale({ ...basket, operator });
  const voided = { ...first, ...reversedAmounts(first), id: v7(), receiptNumber: 'V1' };
  const reverses = { sale: first.id, contentHash: 'a'.repeat(64) };
  journal.append('sale', voided.id, { ...voided, reverses }, { refs: [`sale:${first.id}`] });
  expect((await box.push(journal.push())).data.quarantined).toEqual([]);
  const other = box.newJournal({ epoch: box.epoch + 1 });
  other.saleAgain(told, 'OTHER-1');
  other.saleAgain(told, 'OTHER-1');
  expect((await box.push(other.push())).data.quarantined).toEqual([]);
}

async function verify(): Promise<[string, string[], string[]]> {
  const { data } = await harness.admin.api.post<Verification>(`/v1/fleet/${box.branchCode}/verify`);
  const { outcome, differences } = data;
  return [outcome, differences.map(({ what }) => what), differences.map(({ detail }) => detail)];
}

const tamper = (sql: string) => harness.database.asOwner(sql, [box.branch]);

const SAID = ['sale_reversal', 'sale_alias', 'day_amendment', 'sale_exception'];

/** All of it, but for when people were told. */
async function said(): Promise<unknown[]> {
  const rows = SAID.map((table) =>
    tamper(`SELECT to_jsonb(t) - 'at' AS row FROM ${table} t WHERE branch_id = $1 ORDER BY 1`),
  );
  return Promise.all(rows);
}

describe('what is said of sales', () => {
  it('is proved with them', async () => {
    await traded();
    expect(await verify()).toEqual(['equal', [], []]);
  });

  it.each<[string, string, string, RegExp]>([
    [
      'a sale that may be another, of which nobody is told',
      `DELETE FROM sale_exception WHERE branch_id = $1 AND detail LIKE 'line %'`,
      'missing-row',
      /people were asked about a sale that may be another/,
    ],
    [
      'an alias of another line',
      'UPDATE sale_alias SET seq = 1 WHERE branch_id = $1',
      'extra-row',
      /sale_alias has 1 rows/,
    ],
    ['a reversal that is not told', 'DELETE FROM sale_reversal WHERE branch_id = $1', 'missing-row', /took back/],
    [
      'a reversal of another sale',
      'UPDATE sale_reversal SET sale_id = gen_random_uuid() WHERE branch_id = $1',
      'missing-row',
      /took back/,
    ],
    [
      'an invented reversal',
      `INSERT INTO sale_reversal SELECT tenant_id, branch_id, id, gen_random_uuid() FROM sale WHERE branch_id = $1 AND receipt_number = 'AGAIN'`,
      'extra-row',
      /sale_reversal has 1 rows/,
    ],
    ['a number that leads nowhere', 'DELETE FROM sale_alias WHERE branch_id = $1', 'missing-row', /OTHER-1/],
    [
      'an invented number',
      `INSERT INTO sale_alias SELECT tenant_id, branch_id, 'FAKE', sale_id, incarnation, seq FROM sale_alias WHERE branch_id = $1`,
      'extra-row',
      /sale_alias has 1 rows/,
    ],
    [
      'an amendment that is not counted',
      'DELETE FROM day_amendment WHERE branch_id = $1 AND number = 2',
      'missing-row',
      /day_amendment/,
    ],
    [
      'an amendment of another date',
      `UPDATE day_amendment SET business_date = '2026-01-01' WHERE branch_id = $1 AND number = 1`,
      'altered-row',
      /2026-01-01/,
    ],
    [
      'an amendment posted at another time',
      `UPDATE day_amendment SET posting_date = '2027-01-01' WHERE branch_id = $1 AND number = 1`,
      'altered-row',
      /posted 2027-01-01/,
    ],
    [
      'amendments with a gap',
      `UPDATE day_amendment SET number = 9 WHERE branch_id = $1 AND number = 2`,
      'extra-row',
      /without a gap/,
    ],
    [
      'a doubled number that nobody is told of',
      `DELETE FROM sale_exception WHERE branch_id = $1 AND code = 'duplicate-receipt-number'`,
      'missing-row',
      /on several sales/,
    ],
    [
      'a duplicate that nobody is told of',
      `DELETE FROM sale_exception WHERE branch_id = $1 AND code = 'duplicate'`,
      'missing-row',
      /does not mark/,
    ],
    [
      'a mark without ground',
      `INSERT INTO sale_exception SELECT tenant_id, branch_id, id, 'duplicate-receipt-number', receipt_number, now() FROM sale
       WHERE branch_id = $1 AND receipt_number = 'AGAIN'`,
      'extra-row',
      /what is not so/,
    ],
    [
      'a mark that tells of no line',
      `INSERT INTO sale_exception SELECT tenant_id, branch_id, id, 'duplicate', 'line 77 of nothing', now() FROM sale
       WHERE branch_id = $1 AND receipt_number = 'V1'`,
      'extra-row',
      /what is not so/,
    ],
  ])('differs, is named and made anew: %s', async (_what, sql, what, detail) => {
    await traded();
    const before = await said();
    await tamper(sql);
    const [outcome, whats, details] = await verify();
    expect([outcome, whats]).toEqual(['differs', expect.arrayContaining([what])]);
    expect(details).toContainEqual(expect.stringMatching(detail));
    const { status, data } = await harness.admin.api.post<Rebuilt>(`/v1/fleet/${box.branchCode}/repair`);
    expect([status, data.count]).toEqual([200, expect.any(Number)]);
    expect(data.count).toBeGreaterThan(0);
    expect(await verify()).toEqual(['equal', [], []]);
    expect(await said()).toEqual(before);
  });
});

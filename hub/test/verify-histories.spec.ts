import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { BranchRow } from '../src/branches/branch.row.js';
import type { Verification } from '../src/verify/answer.js';
import { BranchVerifier } from '../src/verify/branch-verifier.js';
import { verifyBranches, type BranchTold } from '../src/verify/verify-branches.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { HubSecrets } from '../src/secrets.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(api = harness.admin.api): Promise<TestBox> {
  branches += 1;
  const code = `H${String(branches).padStart(3, '0')}`;
  await createBranch(api, code);
  return TestBox.enrol(harness.url, api, code);
}

async function pushed(box: TestBox, journal: JournalBuilder, fromSeq = 1): Promise<void> {
  const { status, data } = await box.push(journal.push(fromSeq, journal.seq));
  if (status !== 200) throw new Error(`push: ${status} ${JSON.stringify(data)}`);
}

/** `sold` sales, of which the last `beside` stand beside the history that went on before them. */
async function forked(
  sold: number,
  beside: number,
): Promise<{ box: TestBox; first: JournalBuilder; second: JournalBuilder }> {
  const box = await newBox();
  const first = box.newJournal();
  for (let nth = 0; nth < sold; nth += 1) first.sale();
  await pushed(box, first);
  const seq = first.seq - beside;
  const second = box.newJournal({
    epoch: 2,
    previous: { incarnation: first.incarnation, seq, hash: first.hashAt(seq) },
  });
  second.sale({ receiptNumber: `${box.branchCode}-T1-2-000001` });
  await pushed(box, second);
  return { box, first, second };
}

async function verify(box: TestBox): Promise<Verification> {
  const { status, data } = await harness.admin.api.post<Verification>(`/v1/fleet/${box.branchCode}/verify`);
  expect(status).toBe(200);
  return data;
}

/** Past every wall, as a failing disk or a person with a database tool would. */
const tamper = (sql: string, ...params: unknown[]) => harness.database.asOwner(sql, params);

describe('a verification of several histories', () => {
  it('names a fork: where a history went on from within another, and how much stands beside it', async () => {
    const { box, first, second } = await forked(3, 2);
    expect(await verify(box)).toMatchObject({
      outcome: 'equal',
      forks: [{ incarnation: second.incarnation, from: { incarnation: first.incarnation, seq: 2 }, beside: 2 }],
    });
  });

  it('calls it no fork when a history went on from the end of another', async () => {
    const { box } = await forked(2, 0);
    expect(await verify(box)).toMatchObject({ outcome: 'equal', forks: [] });
  });

  it('misses an older history that was removed as a whole: rows, archive, stream and sums', async () => {
    const { box, first } = await forked(2, 0);
    for (const table of ['sale_line', 'sale_tender', 'sale_modifier', 'sale_line_tax'])
      await tamper(
        `DELETE FROM ${table} WHERE branch_id = $1 AND sale_id IN (SELECT id FROM sale WHERE branch_id = $1 AND incarnation = $2)`,
        ...[box.branch, first.incarnation],
      );
    for (const table of ['sale', 'journal_chunk', 'incarnation'])
      await tamper(`DELETE FROM ${table} WHERE branch_id = $1 AND incarnation = $2`, box.branch, first.incarnation);
    const { outcome, differences } = await verify(box);
    expect(outcome).toBe('differs');
    expect(differences).toContainEqual({
      what: 'missing-history',
      detail: expect.stringContaining(`goes on from line 3 of ${first.incarnation}, of which nothing is here`),
    });
  });

  it('names a history that went on from another line than the one that is here', async () => {
    const { box, first } = await forked(2, 0);
    const elsewhere = box.newJournal({
      epoch: 3,
      previous: { incarnation: first.incarnation, seq: 2, hash: 'e'.repeat(64) },
    });
    await pushed(box, elsewhere);
    const { differences } = await verify(box);
    expect(differences).toEqual([
      { what: 'missing-history', detail: expect.stringContaining(`line 2 of ${first.incarnation} with eeee`) },
    ]);
  });

  it.each([
    ['another line than the one that is here', 3],
    ['a line behind the last that is here', 9],
  ])('calls it a fork that a history went on from %s, once the box has told where it left', async (_what, seq) => {
    const box = await newBox();
    const first = box.newJournal();
    for (let nth = 0; nth < 3; nth += 1) first.sale();
    await pushed(box, first);
    const previous = { incarnation: first.incarnation, seq, hash: 'e'.repeat(64) };
    const elsewhere = box.newJournal({ epoch: 3, previous, open: { reason: 'witness-ahead' } });
    await pushed(box, elsewhere);
    const missing = [{ what: 'missing-history', detail: expect.stringContaining(`line ${seq} of`) }];
    expect((await verify(box)).differences).toEqual(missing);
    // Neither a history that left behind it explains it, nor one that did not leave for that.
    const at = (left: number) => ({ incarnation: first.incarnation, seq: left, hash: first.hashAt(left) });
    await pushed(
      box,
      box.newJournal({ epoch: 4, previous: at(4), open: { reason: seq > 4 ? 'witness-ahead' : 'fork' } }),
    );
    await pushed(box, box.newJournal({ epoch: 5, previous: at(2), open: { reason: 'witness-ahead' } }));
    expect((await verify(box)).differences).toEqual(missing);
    const left = box.newJournal({ epoch: 6, previous: at(2) });
    await pushed(box, left);
    const { outcome, differences, forks } = await verify(box);
    expect([outcome, differences]).toEqual(['equal', []]);
    const from = { incarnation: first.incarnation, seq };
    expect(forks).toContainEqual({ incarnation: elsewhere.incarnation, from, beside: 2 });
  });
});

const QUARANTINE = `INSERT INTO quarantine (tenant_id, id, branch_id, incarnation, seq, kind, key, code, detail, state, attempts, at, tried_at)
  VALUES ($1, $2, $3, $4, $5, 'sale', $6, $7, 'so they say', 'open', 1, now(), now())`;

/** A good sale is put into quarantine and out of all rows and sums. @returns where its line is */
async function moved(code: string): Promise<{ box: TestBox; place: string }> {
  const box = await newBox();
  const journal = box.newJournal();
  const { id } = journal.sale();
  await pushed(box, journal);
  for (const table of ['sale_line', 'sale_tender']) await tamper(`DELETE FROM ${table} WHERE sale_id = $1`, id);
  await tamper('DELETE FROM sale WHERE id = $1', id);
  for (const sums of ['hour', 'operator', 'product', 'tender'])
    await tamper(`DELETE FROM sales_by_${sums} WHERE branch_id = $1`, box.branch);
  await tamper('DELETE FROM stock_balance WHERE branch_id = $1', box.branch);
  await tamper(QUARANTINE, box.tenant, v7(), box.branch, journal.incarnation, 2, id, code);
  return { box, place: `line 2 of ${journal.incarnation}` };
}

describe('what waits in quarantine', () => {
  it('is told with why it waits', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const sale = journal.sale();
    journal.append('sale', v7(), { no: 'sale' });
    journal.append('sale', sale.id, { ...sale, operator: 'eve' });
    const foreign = { ...sale, id: v7(), currency: 'EUR' };
    journal.append('sale', foreign.id, foreign);
    await pushed(box, journal);
    const { outcome, quarantined } = await verify(box);
    expect([outcome, quarantined.map(({ seq, code, why }) => [seq, code, why])]).toEqual([
      'equal',
      [
        [3, 'invalid-body', 'cannot-be-read'],
        [4, 'data-mismatch', 'other-content'],
        [5, 'foreign-currency', 'foreign-currency'],
      ],
    ]);
  });

  it.each(['invalid-body', 'foreign-currency', 'data-mismatch', 'projection-failed'])(
    'is no place for a good sale, whatever is said of it: %s',
    async (code) => {
      const { box, place } = await moved(code);
      const { outcome, differences, quarantined } = await verify(box);
      expect([outcome, quarantined[0]?.why]).toEqual(['differs', 'none']);
      expect(differences).toEqual([{ what: 'quarantine-unfounded', detail: expect.stringContaining(`${place} `) }]);
      // Looked at, and left as it was.
      expect(await tamper('SELECT FROM sale WHERE branch_id = $1', box.branch)).toEqual([]);
    },
  );
});

describe('a run over all branches', () => {
  it('goes on after one that cannot be looked at', async () => {
    const tenant = await harness.newTenant('RUN');
    await createPlaces(tenant.api);
    const [broken, whole] = [await newBox(tenant.api), await newBox(tenant.api)];
    for (const box of [broken, whole]) {
      const journal = box.newJournal();
      journal.sale();
      await pushed(box, journal);
    }
    await tamper(`UPDATE branch SET time_zone = 'No/Where' WHERE id = $1`, broken.branch);
    const told: BranchTold[] = [];
    const parts = {
      database: harness.database,
      secrets: HubSecrets.openExisting(harness.secretsDir),
      clock: systemClock,
      newId: v7,
    };
    const counts = await verifyBranches(parts, { tenant: 'RUN' }, (branch) => told.push(branch));
    expect(counts).toEqual({ branches: 2, equal: 1, differs: 0, notVerified: 1 });
    expect(told).toMatchObject([
      {
        branch: broken.branchCode,
        outcome: 'not-verified',
        code: 'internal',
        detail: expect.stringContaining('No/Where'),
      },
      { branch: whole.branchCode, outcome: 'equal' },
    ]);
  });

  it('does not let one tenant hold up another', async () => {
    const tenant = await harness.newTenant('SLOTS');
    await createPlaces(tenant.api);
    const boxes = [await newBox(), await newBox(), await newBox(tenant.api)];
    const rows = await Promise.all(
      boxes.map((box) =>
        harness.database.transaction(box.tenant, (tx) => tx.manager.findOneByOrFail(BranchRow, { id: box.branch })),
      ),
    );
    const verifier = harness.hub.app.get(BranchVerifier);
    const outcomes = await Promise.all(rows.map((branch) => verifier.verify(branch)));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['equal', 'equal', 'equal']);
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { createLogger } from '@branchline/http/log.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { startHub } from '../src/start-hub.js';
import { QuarantineRetrier } from '../src/sync/quarantine-retrier.js';
import { factCounts, sumsOfBranch, sumsOfFacts } from './facts-of-branch.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `Q${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

const retrier = () => harness.hub.app.get(QuarantineRetrier);
const execute = (box: TestBox, sql: string, params: unknown[] = []) =>
  harness.database.transaction(box.tenant, (tx) => tx.execute(sql, params));
const salesOf = async (box: TestBox): Promise<number> =>
  (await harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch))).sales;

/** How many of the branch's lines wait, by code. */
async function waitingOf(box: TestBox): Promise<Record<string, number>> {
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode, limit: 500 } });
  const counts: Record<string, number> = {};
  for (const { code } of data.items as { code: string }[]) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

async function expectRollupsToEqualFacts(box: TestBox): Promise<void> {
  const [kept, summed] = await harness.database.transaction(box.tenant, async (tx) => [
    await sumsOfBranch(tx, box.branch),
    await sumsOfFacts(tx, box.branch),
  ]);
  expect(kept).toEqual(summed);
}

/** PostgreSQL knows no year nought, which only shows when the row goes in. */
function withPoison(journal: JournalBuilder, sales: number, isPoison: (at: number) => boolean): void {
  for (let at = 0; at < sales; at += 1) journal.sale(isPoison(at) ? { businessDate: '0000-01-01' } : {});
}

const setAside = (box: TestBox, journal: JournalBuilder, seq: number, code: string, state: string) =>
  execute(
    box,
    `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, state, attempts, at, tried_at)
     VALUES ($1, $2, $3, $4, $5, 'sale', 'x', $6, '', $7, 1, now(), now())`,
    [box.tenant, box.branch, journal.incarnation, v7(), seq, code, state],
  );

it('counts every good sale of a push with too many bad ones for its savepoints, unasked', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  withPoison(journal, 300, (at) => at % 7 === 0);
  const { data } = await box.push(journal.push());
  expect(data.quarantined?.filter(({ code }) => code === 'not-tried').length).toBeGreaterThan(0);
  await retrier().settled();
  expect(await waitingOf(box)).toEqual({ 'projection-failed': 43 });
  expect(await salesOf(box)).toBe(257);
  await expectRollupsToEqualFacts(box);
  expect((await box.push(journal.push())).data.quarantined).toHaveLength(43);
});

it('finds what another process left untried, and leaves in peace what has had its turn', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  withPoison(journal, 2, (at) => at === 0);
  await box.push(journal.push());
  await setAside(box, journal, 3, 'not-tried', 'open');
  await retrier().sweep();
  expect(await waitingOf(box)).toEqual({ 'projection-failed': 1 });
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode } });
  expect(data.items[0].attempts).toBe(1);
  expect(await salesOf(box)).toBe(1);
});

it('counts a sale once that was left untried and came by another history meanwhile', async () => {
  const box = await newBox();
  const first = box.newJournal();
  withPoison(first, 300, (at) => at % 2 === 0);
  const late = first.sale({ businessDate: '2026-11-20' });
  const { data } = await box.push(first.push());
  expect(data.quarantined?.at(-1)).toMatchObject({ seq: first.seq, code: 'not-tried' });
  const second = box.newJournal({ epoch: box.epoch + 1 });
  second.saleAgain({ ...late, businessDate: '2026-11-21' }, 'OTHER-1');
  // Either may come first: the fact is one, and the other number leads to it.
  expect((await box.push(second.push())).status).toBe(200);
  await retrier().settled();
  await retrier().sweep();
  expect((await waitingOf(box))['not-tried']).toBeUndefined();
  expect(await salesOf(box)).toBe(151);
  await expectRollupsToEqualFacts(box);
});

it('tries what the archive still gives, and the rest once it is mended', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  withPoison(journal, 2, (at) => at === 0);
  journal.sale();
  journal.sale();
  await box.push(journal.push(1, 3));
  await box.push(journal.push(4, 5));
  // As if none of the three had had its turn.
  for (const table of ['sale', 'sale_line', 'sale_tender'])
    await harness.database.asOwner(`DELETE FROM ${table} WHERE branch_id = $1`, [box.branch]);
  for (const seq of [3, 4, 5]) await setAside(box, journal, seq, 'not-tried', 'open');
  const flip = 'UPDATE journal_chunk SET body_bytes = -body_bytes WHERE branch_id = $1 AND first_seq = 1';
  await harness.database.asOwner(flip, [box.branch]);
  await retrier().sweep();
  expect(await waitingOf(box)).toEqual({ 'projection-failed': 1, 'not-tried': 1 });
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode } });
  const damaged = data.items.find(({ code }: { code: string }) => code === 'not-tried');
  expect(damaged.detail).toMatch(/^the archive does not give the line: /);
  const { status } = await harness.admin.api.post(`/v1/quarantine/${damaged.id}/retry`);
  expect(status).toBe(200);
  expect(await salesOf(box)).toBe(2);
  await harness.database.asOwner(flip, [box.branch]);
  await retrier().sweep();
  expect(await salesOf(box)).toBe(3);
  expect(await waitingOf(box)).toEqual({ 'projection-failed': 1 });
});

it('is never run twice at once', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  withPoison(journal, 300, (at) => at % 3 === 0);
  await box.push(journal.push());
  await Promise.all([retrier().sweep(), retrier().sweep(), retrier().settled()]);
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode, limit: 500 } });
  expect(Math.max(...data.items.map((item: { attempts: number }) => item.attempts))).toBe(2);
  expect(data.items).toHaveLength(100);
});

it('projects at the start of a newer version what an older one held', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  journal.sale();
  journal.append('loyalty-points', v7(), { points: 5 });
  await box.push(journal.push());
  // As a hub that did not know sales would have left it.
  await setAside(box, journal, 2, 'unknown-kind', 'held');
  const folder = mkdtempSync(join(tmpdir(), 'branchline-hub-'));
  const config = {
    databaseUrl: harness.databaseUrl,
    host: '127.0.0.1',
    port: 0,
    secretsDir: folder,
    logLevel: 'fatal',
  };
  const next = await startHub(config, systemClock, createLogger('hub', 'fatal'));
  await next.app.get(QuarantineRetrier).settled();
  await next.close();
  rmSync(folder, { recursive: true, force: true });
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode } });
  expect(data.items).toEqual([expect.objectContaining({ seq: 3, state: 'held', code: 'unknown-kind', attempts: 1 })]);
});

it('is no sign of life of the branch, whether the hub tries or a person does', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  withPoison(journal, 2, (at) => at === 0);
  await box.push(journal.push());
  await execute(box, `UPDATE branch_stream SET last_push_at = '2026-01-01T00:00:00Z' WHERE branch_id = $1`, [
    box.branch,
  ]);
  await setAside(box, journal, 3, 'not-tried', 'open');
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode } });
  await harness.admin.api.post(`/v1/quarantine/${data.items[0].id}/retry`);
  await retrier().sweep();
  const params = { groupBy: 'branch', from: '2026-11-01', to: '2026-11-30', branch: box.branchCode };
  const report = await harness.admin.api.get('/v1/reports/sales', { params });
  expect(report.data.completeness[0].lastContactAt).toBe('2026-01-01T00:00:00.000Z');
});

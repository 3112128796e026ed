import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { v7 } from 'uuid';
import { INCIDENT_AFTER_MS, WARNED_AFTER_MS, WorkListWatch } from '../src/worklists/work-list-watch.js';
import { factCounts } from './facts-of-branch.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
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
  const code = `L${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

/** One that can never be a fact, one that a later version knows, one that waits for another. */
async function boxWithWork(): Promise<TestBox> {
  const box = await newBox();
  const journal = box.newJournal();
  journal.append('sale', v7(), { lines: [] });
  journal.append('shift-open', v7(), {}, { contract: CONTRACT + 1 });
  const { body: closing } = JSON.parse(String(zOf(box)));
  journal.append('shift-close', closing.id, closing, { refs: [`shift:${closing.id}`] });
  expect((await box.push(journal.push())).data.quarantined).toHaveLength(3);
  return box;
}

function zOf(box: TestBox): Buffer {
  const made = box.newJournal();
  made.shiftClose(v7(), 1);
  return made.lines[1] as Buffer;
}

/** As if all of it had been set aside so much earlier. */
const age = (box: TestBox, byMs: number) =>
  harness.database.asOwner(`UPDATE quarantine SET at = at - $2 * interval '1 ms' WHERE branch_id = $1`, [
    box.branch,
    byMs,
  ]);

type Item = { id: string; code: string; state: string; note: string | null };

async function items(box: TestBox, params: Record<string, unknown> = {}): Promise<Item[]> {
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode, ...params } });
  return data.items;
}
const settle = (id: string, note: string) => harness.admin.api.post(`/v1/quarantine/${id}/settle`, { note });
const incidents = async (box: TestBox) =>
  (await harness.admin.api.get('/v1/incidents', { params: { branch: box.branchCode, code: 'work-unread' } })).data
    .items;

describe('what waits for people', () => {
  it('is a figure with its age: for the scraper, for readiness and in the fleet', async () => {
    const box = await boxWithWork();
    await age(box, 3_600_000);
    const { data } = await harness.anonymous.get('/health/ready');
    expect(data).toMatchObject({ ready: true, quarantined: expect.any(Number), conflictsOpen: expect.any(Number) });
    expect(data.quarantined).toBeGreaterThanOrEqual(3);
    expect(data.oldestQuarantinedS).toBeGreaterThanOrEqual(3_600);
    const metrics = (await harness.anonymous.get<string>('/metrics')).data;
    const oldest = /^branchline_quarantine_oldest_seconds (\S+)$/m.exec(metrics)?.[1];
    expect(Number(oldest)).toBeGreaterThanOrEqual(3_600);
    expect(metrics).toMatch(/^branchline_conflicts_open \d+$/m);
    const fleet = await harness.admin.api.get('/v1/fleet', { params: { limit: 500 } });
    const own = fleet.data.items.find(({ branch }: { branch: string }) => branch === box.branchCode);
    expect(own).toMatchObject({ quarantined: 3, conflicts: 0, quarantinedSince: expect.any(String) });
  });

  it('is one incident of its branch when it has waited for a day, and a new one when that was closed in vain', async () => {
    const box = await boxWithWork();
    const watch = harness.hub.app.get(WorkListWatch);
    await age(box, WARNED_AFTER_MS + 60_000);
    await watch.look();
    expect(await incidents(box)).toEqual([]);
    await age(box, INCIDENT_AFTER_MS);
    await Promise.all([watch.look(), watch.look()]);
    await watch.look();
    const [incident] = await incidents(box);
    expect(incident).toMatchObject({ count: 1, detail: expect.stringContaining('3 lines in quarantine') });
    await harness.admin.api.post(`/v1/incidents/${incident.id}/close`, { note: 'later' });
    await watch.look();
    expect(await incidents(box)).toHaveLength(1);
  });
});

describe('a line that never will be a fact', () => {
  it('is settled with a note, waits no more and stays in the archive', async () => {
    const box = await boxWithWork();
    const [bad] = await items(box, { code: 'invalid-body' });
    expect((await settle(bad?.id ?? '', '')).status).toBe(400);
    const { status, data } = await settle(bad?.id ?? '', 'a till of the fair, by mistake');
    expect([status, data.state, data.note]).toEqual([200, 'settled', 'a till of the fair, by mistake']);
    expect(data.archived.line.kind).toBe('sale');
    expect((await settle(bad?.id ?? '', 'a till of the fair, by mistake')).status).toBe(200);
    expect((await settle(bad?.id ?? '', 'other')).data.code).toBe('already-settled');
    expect(await items(box)).toHaveLength(2);
    expect((await items(box, { state: 'settled' })).map(({ code }) => code)).toEqual(['invalid-body']);
    const audit = await harness.admin.api.get('/v1/audit', {
      params: { branch: box.branchCode, action: 'quarantine.settle' },
    });
    expect(audit.data.items).toEqual([expect.objectContaining({ subject: `quarantine:${bad?.id}` })]);
    const verified = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
    expect([verified.data.outcome, verified.data.differences]).toEqual(['equal', []]);
  });

  it('is none that may yet be counted', async () => {
    const box = await boxWithWork();
    for (const code of ['newer-contract', 'waits-for-parent']) {
      const [item] = await items(box, { code });
      const answer = await settle(item?.id ?? '', 'away with it');
      expect([code, answer.status, answer.data.code]).toEqual([code, 409, 'not-decidable']);
    }
  });

  it('is settled only by who may, where he may', async () => {
    const box = await boxWithWork();
    const [bad] = await items(box, { code: 'invalid-body' });
    const { password } = await create<{ password: string }>(harness.admin.api, '/v1/people', {
      ...{ email: `area${branches}@acme.example`, name: 'Area' },
      grants: [{ role: 'area-manager', scope: 'region', id: 'R1' }],
    });
    const area = await harness.signIn(`area${branches}@acme.example`, password);
    expect((await area.api.post(`/v1/quarantine/${bad?.id}/settle`, { note: 'x' })).status).toBe(403);
    const other = await harness.newTenant(`OTHER${branches}`);
    expect((await other.api.post(`/v1/quarantine/${bad?.id}/settle`, { note: 'x' })).status).toBe(404);
    expect((await other.api.get(`/v1/quarantine/${bad?.id}`)).status).toBe(404);
  });
});

describe('all lines of a branch', () => {
  it('are tried again together, or those that were set aside for one reason', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const good = journal.sale();
    journal.append('sale', v7(), { lines: [] });
    await box.push(journal.push(1, 1));
    await harness.database.asOwner(`ALTER TABLE sale ADD CONSTRAINT planted CHECK (id <> '${good.id}') NOT VALID`);
    await box.push(journal.push(2));
    await harness.database.asOwner('ALTER TABLE sale DROP CONSTRAINT planted');
    const retry = (body: Record<string, unknown>) => harness.admin.api.post('/v1/quarantine/retry', body);
    expect((await retry({})).status).toBe(400);
    expect((await retry({ branch: 'NONE' })).status).toBe(404);
    expect((await retry({ branch: box.branchCode, code: 'invalid-body' })).data).toEqual({ tried: 1, mended: 0 });
    expect((await retry({ branch: box.branchCode })).data).toEqual({ tried: 2, mended: 1 });
    expect(await harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch))).toMatchObject({
      sales: 1,
    });
    const audit = await harness.admin.api.get('/v1/audit', {
      params: { branch: box.branchCode, action: 'quarantine.retry' },
    });
    expect(audit.data.items.map(({ detail }: { detail: unknown }) => detail)).toEqual([
      { tried: 2, mended: 1 },
      { code: 'invalid-body', tried: 1, mended: 0 },
    ]);
  });
});

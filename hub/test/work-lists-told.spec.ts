import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FeedBody } from '@branchline/replication/feed.js';
import type { Tx } from '../src/database/unit-of-work.js';
import { CONFLICTS, COUNTED_MAX, publishWorkLists, QUARANTINE } from '../src/worklists/publish-work-lists.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

const WAITING = 3_000;
const BEGAN_MS = Date.UTC(2026, 10, 20);

let hub: HubHarness;
let box: TestBox;

beforeAll(async () => {
  hub = await startHubHarness();
  await createPlaces(hub.admin.api);
  await createBranch(hub.admin.api, 'B001', {});
  box = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
  await inTenant(async (tx) => {
    const of = [box.tenant, box.branch, BEGAN_MS];
    const at = `to_timestamp(($3::bigint + no) / 1000.0)`;
    await tx.query(
      `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, waits_for, state, attempts, at, tried_at)
       SELECT $1, $2, $2, gen_random_uuid(), no, 'sale', no, 'projection-failed', '', '{}', CASE WHEN no % 2 = 0 THEN 'open' ELSE 'held' END, 1, ${at}, ${at}
       FROM generate_series(1, ${WAITING}) no`,
      of,
    );
    // Nearly all are settled: the later they were told, the earlier they were settled.
    await tx.query(
      `INSERT INTO conflict (tenant_id, id, branch_id, type, kind, key, suggested, reason, state, strategy, at, settled_at)
       SELECT $1, gen_random_uuid(), $2, 'duplicate', 'sale', no, 'keep_hub', '', state, CASE WHEN state = 'open' THEN NULL ELSE 'keep_hub' END, ${at},
         CASE WHEN state = 'settled' THEN to_timestamp(($3::bigint + 10000 - no) / 1000.0) END
       FROM (SELECT no, CASE WHEN no % 150 = 0 THEN 'open' WHEN no <= 24 THEN 'settling' ELSE 'settled' END AS state
         FROM generate_series(1, ${WAITING}) no) c`,
      of,
    );
  });
  await hub.database.asOwner('ANALYZE quarantine');
  await hub.database.asOwner('ANALYZE conflict');
});
afterAll(() => hub.close());

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => hub.database.transaction(box.tenant, work);

/** As a box takes it: the newest of its branch's scope. */
async function told(): Promise<FeedBody<'work-lists'>> {
  await inTenant((tx) => publishWorkLists(tx, box.branch, BEGAN_MS));
  const { body } = await inTenant((tx) =>
    tx.one<{ body: FeedBody<'work-lists'> }>(
      `SELECT body FROM outbox WHERE kind = 'work-lists' ORDER BY id DESC LIMIT 1`,
    ),
  );
  return body;
}

/** Of all steps of a plan, what it does and over how many rows. */
function stepsOf(plan: Plan): { type: string; rows: number }[] {
  const own = { type: plan['Node Type'], rows: plan['Actual Rows'] * plan['Actual Loops'] };
  return [own, ...(plan.Plans ?? []).flatMap(stepsOf)];
}
type Plan = { 'Node Type': string; 'Actual Rows': number; 'Actual Loops': number; Plans?: Plan[] };

describe('the work lists that a branch is told', () => {
  it('are bounded: the oldest lines, and how many there are up to a thousand', async () => {
    const { quarantine } = await told();
    expect(quarantine).toMatchObject({ waiting: COUNTED_MAX, oldestAt: BEGAN_MS + 1 });
    expect(quarantine.items.map(({ key }) => Number(key))).toEqual(Array.from({ length: 50 }, (_none, at) => at + 1));
  });

  it('name what is not settled first, then what was settled last', async () => {
    const { conflicts } = await told();
    const all = Array.from({ length: WAITING }, (_none, at) => at + 1);
    const unsettled = all.filter((no) => no <= 24 || no % 150 === 0);
    const settled = all.filter((no) => !unsettled.includes(no));
    expect(conflicts).toMatchObject({ open: WAITING / 150, oldestAt: BEGAN_MS + 150 });
    expect(conflicts.items.map(({ key }) => Number(key))).toEqual([...unsettled, ...settled].slice(0, 50));
  });

  it.each([
    ['lines', QUARANTINE],
    ['conflicts', CONFLICTS],
  ])('of %s are found without sorting or counting all that wait', async (_what, sql) => {
    const [row] = await inTenant((tx) =>
      tx.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, [box.branch]),
    );
    const steps = stepsOf((row as { 'QUERY PLAN': [{ Plan: Plan }] })['QUERY PLAN'][0].Plan);
    expect(steps.map(({ type }) => type)).not.toContain('Sort');
    expect(Math.max(...steps.map(({ rows }) => rows))).toBeLessThanOrEqual(COUNTED_MAX);
  });
});

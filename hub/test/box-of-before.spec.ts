import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { helloRequestSchema } from '@branchline/replication/box-protocol.js';
import { feedPageSchema } from '@branchline/replication/feed.js';
import { PUSH_MEDIA_TYPE } from '@branchline/replication/push.js';
import pg from 'pg';
import { HubSecrets } from '../src/secrets.js';
import { hello } from '../src/sync/hello.js';
import { SYNC_PARTS, type SyncParts } from '../src/sync/sync-parts.js';
import { takePush } from '../src/sync/take-push.js';
import { startHubHarness, type HubHarness } from './hub-harness.js';

const FIXTURES = join(process.cwd(), 'libs/replication/fixtures/contract-1');
const PUSH = readFileSync(join(FIXTURES, 'push.ndjson'));
const RELEASE = JSON.parse(readFileSync(join(FIXTURES, 'release.json'), 'utf8')) as {
  box: { tenant: string; branch: string; branchCode: string; box: string };
  branch: { timeZone: string };
  helloRequest: unknown;
  pushAnswer: { appliedSeq: number; headHash: string };
  feed: Record<string, unknown>;
};
const LINES = PUSH.toString('utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((text) => JSON.parse(text) as { kind: string; body: Record<string, unknown> });

let harness: HubHarness;
let parts: SyncParts;
let principal: PrincipalOf<'box'>;

/** The branch and the box as the hub had them that the recording was made at. */
beforeAll(async () => {
  harness = await startHubHarness();
  parts = harness.hub.app.get<SyncParts>(SYNC_PARTS);
  const { tenant, branch, branchCode, box } = RELEASE.box;
  principal = { kind: 'box', tenantId: tenant, branchId: branch, branchCode, boxId: box };
  const { signingKey, sealingKey } = LINES[0]?.body as { signingKey: string; sealingKey: string };
  const secrets = HubSecrets.openExisting(harness.secretsDir);
  const certificate = secrets.certify({ tenant, branch, box, signingKey, sealingKey });
  const client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  const insert = (sql: string, ...values: unknown[]) => client.query(sql, [tenant, ...values]);
  await insert(`INSERT INTO tenant VALUES ($1, 'BEFORE', 'Before', 'AUD', now())`);
  await insert(`INSERT INTO region VALUES ($1, 'NSW', 'NSW')`);
  await insert(`INSERT INTO price_zone VALUES ($1, 'EAST', 'East', $2, 'AUD')`, RELEASE.branch.timeZone);
  await insert(`INSERT INTO assortment VALUES ($1, 'CORE', 'Core')`);
  await insert(
    `INSERT INTO branch (tenant_id, id, code, name, region, price_zone, assortment, time_zone, currency, cut_off_minutes, tax_rounding, created_at)
     VALUES ($1, $2, $3, 'Newtown', 'NSW', 'EAST', 'CORE', $4, 'AUD', 0, 'line', now())`,
    branch,
    branchCode,
    RELEASE.branch.timeZone,
  );
  await insert(
    `INSERT INTO box (tenant_id, id, branch_id, signing_key, sealing_key, certificate, first_epoch, enrolled_at)
     VALUES ($1, $2, $3, $4, $5, $6, 1, now())`,
    box,
    branch,
    signingKey,
    sealingKey,
    certificate,
  );
  await client.end();
});
afterAll(() => harness.close());

describe('a box of the first contract at a hub of this release', () => {
  it('is taken in whole, every kind of line, and what it says adds up', async () => {
    const sent = { bytes: PUSH, mediaType: PUSH_MEDIA_TYPE, encoding: undefined };
    const outcome = await takePush(parts, principal, sent);
    expect(outcome).toMatchObject({ answer: { ...RELEASE.pushAnswer, quarantined: [] } });
    const kinds = new Set(LINES.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual([
      'day-seal',
      'device-enrol',
      'incarnation-open',
      'sale',
      'shift-close',
      'shift-open',
    ]);
    const sales = LINES.filter(({ kind }) => kind === 'sale').map(({ body }) => body);
    const totalMinor = sales.reduce((sum, body) => sum + (body['totalMinor'] as number), 0);
    const [row] = await harness.database.transaction(principal.tenantId, (tx) =>
      tx.query(
        `SELECT count(*)::int AS sales, sum(total_minor)::int AS total, (SELECT count(*)::int FROM shift_close) AS zs,
           (SELECT count(*)::int FROM day_seal) AS seals, (SELECT sum(total_minor)::int FROM sales_by_hour) AS rollup FROM sale`,
      ),
    );
    expect(row).toEqual({ sales: sales.length, total: totalMinor, zs: 1, seals: 1, rollup: totalMinor });
  });

  it('says the same again, and is answered as before', async () => {
    const sent = { bytes: PUSH, mediaType: PUSH_MEDIA_TYPE, encoding: undefined };
    expect(await takePush(parts, principal, sent)).toMatchObject({ answer: RELEASE.pushAnswer });
  });

  it('is greeted with what it can read', async () => {
    const request = helloRequestSchema.parse(RELEASE.helloRequest);
    const answer = await hello(parts, principal, request);
    const { appliedSeq, headHash } = RELEASE.pushAnswer;
    expect(answer.streams).toEqual([expect.objectContaining({ appliedSeq, headHash })]);
    expect(answer.hashes.map(({ hash }) => hash)).toEqual([headHash]);
  });

  it('has got pages of the feed that are read as they were', () => {
    for (const page of Object.values(RELEASE.feed)) expect(feedPageSchema.safeParse(page).success).toBe(true);
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { factCounts, sumsOfBranch, sumsOfFacts } from '../facts-of-branch.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from '../hub-harness.js';
import { TestBox } from '../test-box.js';

const DYING_HUB = join(process.cwd(), 'hub', 'test', 'crash', 'dying-hub.mjs');

describe('a hub killed while it takes a push', () => {
  let harness: HubHarness;

  beforeAll(async () => {
    harness = await startHubHarness();
    await createPlaces(harness.admin.api);
  });
  afterAll(() => harness.close());

  /** Another process on the same database, with the same keys. @returns it and its address */
  async function startDyingHub(point: string): Promise<{ hub: ChildProcess; url: string }> {
    const hub = spawn(process.execPath, [DYING_HUB, point], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        DATABASE_URL: harness.databaseUrl,
        HUB_PORT: '0',
        HUB_SECRETS_DIR: harness.secretsDir,
        LOG_LEVEL: 'fatal',
      },
    });
    for await (const chunk of hub.stdout) {
      const url = /^(http:\S+)\n/m.exec(String(chunk))?.[1];
      if (url !== undefined) return { hub, url };
    }
    throw new Error('the dying hub did not come up');
  }

  it.each([
    { point: 'ingested, not committed', branch: 'B001', stands: false },
    { point: 'committed, not acknowledged', branch: 'B002', stands: true },
  ])('$point: the same push again is acknowledged and counted once', async ({ point, branch, stands }) => {
    await createBranch(harness.admin.api, branch);
    const box = await TestBox.enrol(harness.url, harness.admin.api, branch);
    const journal = box.newJournal();
    for (let sale = 0; sale < 20; sale += 1) journal.sale({ lines: [{}, { product: 'BREAD', milli: 456 }] });

    const { hub, url } = await startDyingHub(point);
    const died = once(hub, 'exit');
    await expect(box.push(journal.push(), { url })).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect((await died)[1]).toBe('SIGKILL');

    const counts = () => harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch));
    expect(await counts()).toMatchObject(stands ? { lines: 21, sales: 20 } : { lines: 0, sales: 0 });
    const again = await box.push(journal.push());
    expect([again.status, again.data]).toEqual([
      200,
      { appliedSeq: 21, headHash: journal.headHash, durableSeq: 0, quarantined: [], directives: [] },
    ]);
    expect(await counts()).toMatchObject({ lines: 21, sales: 20, saleLines: 40, movements: 40 });
    await harness.database.transaction(box.tenant, async (tx) => {
      expect(await sumsOfBranch(tx, box.branch)).toEqual(await sumsOfFacts(tx, box.branch));
    });
  });
});

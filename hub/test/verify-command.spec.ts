import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestDatabase } from '@branchline/fleet/testing/database.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';
import { TestBox } from './test-box.js';

const CLI = join(process.cwd(), 'hub', 'dist', 'cli.js');
jest.setTimeout(120_000);

let harness: HubHarness;
let other: Signed;
let own: TestBox;

beforeAll(async () => {
  harness = await startHubHarness();
  other = await harness.newTenant('OTHER');
  own = await traded(harness.admin, 'B001');
  await createBranch(harness.admin.api, 'B002');
  await traded(other, 'B001');
});
afterAll(() => harness.close());

async function traded({ api }: Signed, branch: string): Promise<TestBox> {
  await createPlaces(api);
  await createBranch(api, branch);
  const box = await TestBox.enrol(harness.url, api, branch);
  const journal = box.newJournal();
  for (let sale = 0; sale < 3; sale += 1) journal.sale();
  const { status } = await box.push(journal.push());
  if (status !== 200) throw new Error(`push: ${status}`);
  return box;
}

type Ended = { exitCode: number | null; lines: Record<string, unknown>[]; error: string };

const verify = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => command(['verify', ...args], env);

/** The built command, as an operator gives it. */
async function command(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: harness.databaseUrl,
      HUB_SECRETS_DIR: harness.secretsDir,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, error] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { exitCode, lines, error };
}

const equal = (tenant: string, branch: string, lines: number) =>
  expect.objectContaining({ tenant, branch, outcome: 'equal', lines, differences: [] });

describe('the command verify', () => {
  it('proves every branch of every tenant, a line for each and their count at the end', async () => {
    const { exitCode, lines } = await verify([]);
    expect(lines.slice(0, -1)).toEqual(
      expect.arrayContaining([equal('ACME', 'B001', 4), equal('ACME', 'B002', 0), equal('OTHER', 'B001', 4)]),
    );
    expect(lines.at(-1)).toEqual({ branches: 3, equal: 3, differs: 0, notVerified: 0 });
    expect(exitCode).toBe(0);
  });

  it('proves just what it is asked for, and keeps what it found', async () => {
    const { exitCode, lines } = await verify(['--tenant', 'OTHER', '--branch', 'B001']);
    expect([exitCode, lines]).toEqual([0, [equal('OTHER', 'B001', 4), expect.objectContaining({ branches: 1 })]]);
    const { data } = await other.api.get('/v1/fleet/B001/verification');
    expect(data).toMatchObject({ outcome: 'equal', provedTo: { seq: 4 } });
  });

  it('names what differs, goes on, and exits 1', async () => {
    await harness.database.asOwner(`UPDATE sale SET till = 'T9' WHERE branch_id = $1`, [own.branch]);
    const { exitCode, lines } = await verify(['--tenant', 'ACME']);
    expect(lines[0]).toMatchObject({ branch: 'B001', outcome: 'differs' });
    expect(lines[0]?.['differences']).toHaveLength(3);
    expect(lines.slice(1)).toEqual([equal('ACME', 'B002', 0), { branches: 2, equal: 1, differs: 1, notVerified: 0 }]);
    expect(exitCode).toBe(1);
  });

  it('says of a branch that another verifies that it is not verified, and exits 1', async () => {
    const lock = `SELECT pg_advisory_xact_lock(hashtext('branchline verification'), hashtext($1))`;
    await harness.database.transaction(own.tenant, async (tx) => {
      await tx.query(lock, [own.branch]);
      const { exitCode, lines } = await verify(['--branch', 'B001', '--tenant', 'ACME']);
      expect(lines[0]).toMatchObject({ outcome: 'not-verified', code: 'verification-running' });
      expect([exitCode, lines[1]]).toEqual([1, { branches: 1, equal: 0, differs: 0, notVerified: 1 }]);
    });
  });

  it('says in one line what it does not know and what it lacks, and proves nothing', async () => {
    const empty = await createTestDatabase();
    const folder = mkdtempSync(join(tmpdir(), 'branchline-no-keys-'));
    try {
      const cases: [string[], NodeJS.ProcessEnv, number, RegExp][] = [
        [['--tenant', 'NOBODY'], {}, 2, /^hub: there is no tenant NOBODY\n$/],
        [['--branch', 'B999'], {}, 2, /^hub: there is no branch B999\n$/],
        [['--branch', 'lower'], {}, 2, /^hub: branch: expected 1 to 12 of A-Z and 0-9\n$/],
        [[], { HUB_SECRETS_DIR: folder }, 3, /^hub: HUB_SECRETS_DIR: the keys of the hub are not in .*\n$/],
        [[], { DATABASE_URL: empty.url }, 3, /^hub: the database is not of this version: run `migrate`\n$/],
      ];
      for (const [args, env, exitCode, error] of cases) {
        expect(await verify(args, env)).toEqual({ exitCode, lines: [], error: expect.stringMatching(error) });
      }
    } finally {
      rmSync(folder, { recursive: true });
      await empty.drop();
    }
  });
});

describe('hub rebuild-rollups', () => {
  it('makes anew what differs, tells each branch, and the totals in its last line', async () => {
    await harness.database.asOwner(`UPDATE sales_by_operator SET total_minor = 1 WHERE branch_id = $1`, [own.branch]);
    const { exitCode, lines } = await command(['rebuild-rollups', '--tenant', 'ACME']);
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatchObject({ branch: 'B001', outcome: 'rebuilt' });
    expect(lines[0]?.['corrected']).toContainEqual({ what: 'rollup', detail: 'sales_by_operator: 1 sums made anew' });
    expect(lines.at(-1)).toEqual({ branches: 2, rebuilt: 2, corrected: expect.any(Number), notRebuilt: 0 });
    expect((await verify(['--tenant', 'ACME', '--branch', 'B001'])).exitCode).toBe(0);
  });

  it('is bad input for a tenant that is not there', async () => {
    expect((await command(['rebuild-rollups', '--tenant', 'NOBODY'])).exitCode).toBe(2);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { readConfig } from '../src/config.js';
import { FakeStore, FakeTrial } from './fake-trial.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';

let harness: HubHarness;
let trial: FakeTrial;

beforeAll(async () => {
  trial = await FakeTrial.start();
  harness = await startHubHarness(systemClock, { trial: trial.place });
  await createPlaces(harness.admin.api);
  for (const branch of ['B001', 'B002']) {
    await createBranch(harness.admin.api, branch);
    const store = await FakeStore.open(harness.url, harness.admin.api, branch, () => systemClock.now());
    trial.stores.set(branch, store);
  }
  await createBranch(harness.admin.api, 'B003');
});
afterAll(async () => {
  await harness.close();
  await trial.close();
});

async function person(email: string, grant: object) {
  const { data } = await harness.admin.api.post('/v1/people', { email, name: 'P', grants: [grant] });
  return (await harness.signIn(email, data.password)).api;
}

describe('the control of a trial', () => {
  it('is reached through the hub, whose answers do not bear its token', async () => {
    await trial.stores.get('B001')?.sell();
    const { status, data } = await harness.admin.api.get('/v1/trial');
    expect([status, data.branches]).toMatchObject([
      200,
      [
        { branch: 'B001', line: 'up', box: 'up', tillBaskets: 1, queue: 0, headSeq: 2, mayAct: true },
        { branch: 'B002', line: 'up', tillBaskets: 0 },
      ],
    ]);
    expect(JSON.stringify(data)).not.toContain(trial.token);
    expect((await harness.admin.api.post('/v1/trial/B001/cut')).data).toEqual({ ok: true });
    expect((await harness.admin.api.get('/v1/trial')).data.branches[0].line).toBe('down');
    expect((await harness.admin.api.post('/v1/trial/B001/restore')).status).toBe(200);
    expect(trial.orders).toEqual(['B001 cut', 'B001 restore']);
  });

  it('is no concern of a branch or an action that is not in it', async () => {
    const before = trial.orders.length;
    for (const [path, status, code] of [
      ['B003/cut', 404, 'not-found'],
      ['B009/cut', 404, 'not-found'],
      ['B001/burn', 400, 'invalid-field'],
      ['B001%2F..%2FB002/cut', 400, 'invalid-field'],
    ] as const) {
      const answer = await harness.admin.api.post(`/v1/trial/${path}`);
      expect([path, answer.status, answer.data.code]).toEqual([path, status, code]);
    }
    expect(trial.orders.length).toBe(before);
  });

  it('is shown and given by branch', async () => {
    const grantOf = (role: string) => ({ role, scope: 'branch', id: 'B002' });
    const auditor = await person('auditor@acme.example', grantOf('auditor'));
    expect((await auditor.get('/v1/trial')).data.branches).toMatchObject([{ branch: 'B002', mayAct: false }]);
    expect((await auditor.post('/v1/trial/B002/cut')).status).toBe(403);
    const manager = await person('area@acme.example', grantOf('area-manager'));
    expect((await manager.get('/v1/trial')).data.branches).toMatchObject([{ branch: 'B002', mayAct: true }]);
    expect((await manager.post('/v1/trial/B001/kill')).status).toBe(404);
    expect((await manager.post('/v1/trial/B002/kill')).status).toBe(200);
    expect((await manager.get('/v1/trial')).data.branches).toMatchObject([{ box: 'down', headHash: null }]);
  });

  it('that does not answer as agreed is away, which is no fault of the hub', async () => {
    for (const status of [401, 500]) {
      trial.failWith = status;
      for (const answer of [
        await harness.admin.api.get('/v1/trial'),
        await harness.admin.api.post('/v1/trial/B001/cut'),
      ])
        expect([status, answer.status, answer.data.code]).toEqual([status, 503, 'trial-away']);
    }
    trial.failWith = null;
  });

  it('is not there in a hub of its own', async () => {
    const alone = await startHubHarness();
    for (const answer of [await alone.admin.api.get('/v1/trial'), await alone.admin.api.post('/v1/trial/B001/cut')])
      expect([answer.status, answer.data.code]).toEqual([404, 'no-trial']);
    await alone.close();
  });
});

describe('the environment', () => {
  const env = { DATABASE_URL: 'postgres://x', HUB_SECRETS_DIR: '/x' };
  const token = 'sixteen-letters-x';
  const read = (HUB_TRIAL_CONTROL_URL?: string, HUB_TRIAL_CONTROL_TOKEN?: string) =>
    readConfig({ ...env, HUB_TRIAL_CONTROL_URL, HUB_TRIAL_CONTROL_TOKEN });

  it('names the control on this machine and its token, or neither', () => {
    expect(read().trial).toBeUndefined();
    for (const url of ['http://127.0.0.1:8402', 'http://[::1]:8402/', 'http://localhost:1'])
      expect(read(url, token).trial).toEqual({ url, token });
  });

  it.each([
    ['http://127.0.0.1:8402', undefined],
    [undefined, token],
    ['https://127.0.0.1:8402', token],
    ['http://10.0.0.1:8402', token],
    ['http://127.0.0.1.evil.example', token],
    ['http://127.0.0.1:8402', 'short'],
    ['nowhere', token],
  ])('is refused with %s and %s', (url, given) => {
    expect(() => read(url, given)).toThrow(EnvironmentFailure);
    if (given !== undefined) expect(() => read(url, given)).not.toThrow(given);
  });
});

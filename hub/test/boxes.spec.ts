import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { signAccessToken, signingKeyFrom } from '@branchline/access/jwt-signing.js';
import { ManualClock } from '@branchline/domain/clock.js';
import { scopeSchema } from '@branchline/replication/feed.js';
import { ed25519PublicKey } from '@branchline/replication/head-signature.js';
import { openSealed } from '@branchline/replication/sealing.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import type { AxiosResponse } from 'axios';
import { verify } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { v7 } from 'uuid';
import { HubSecrets } from '../src/secrets.js';
import { apiAt, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { newBoxKeys } from './journal-builder.js';
import { TestBox, tokenOf } from './test-box.js';

const clock = new ManualClock(Date.now());
let harness: HubHarness;
let box: TestBox;

beforeAll(async () => {
  harness = await startHubHarness(clock);
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
  await createBranch(harness.admin.api, 'B002');
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterAll(() => harness.close());

/** Administrators sign in anew where a spec has moved the clock past their tokens. */
async function newCode(branch = 'B001'): Promise<string> {
  const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
  return (await api.post(`/v1/branches/${branch}/enrolment-codes`, { for: 'box' })).data.code as string;
}

const enrol = (code: string, keys = newBoxKeys()): Promise<AxiosResponse> =>
  harness.anonymous.post('/sync/v1/enrol', { code, signingKey: keys.signingKey, sealingKey: keys.sealingKey });

describe('enrolment of a box', () => {
  it('trades a code for a certified place and a pepper that only this box can read', async () => {
    const keys = newBoxKeys();
    const { status, data } = await enrol(await newCode(), keys);
    expect([status, data.branchCode, data.branch, data.tenant]).toEqual([
      200,
      'B001',
      box.branch,
      harness.admin.tenantId,
    ]);
    expect(data.scopes).toEqual(['tenant', 'region:R1', 'zone:Z1', 'assortment:A1', `branch:${box.branch}`]);
    expect(data.scopes.every((scope: string) => scopeSchema.safeParse(scope).success)).toBe(true);
    const secrets = harness.hub.app.get(HubSecrets);
    expect(openSealed(data.pepper, keys.sealing).equals(secrets.branchPepper(box.branch))).toBe(true);
    expect(() => openSealed(data.pepper, newBoxKeys().sealing)).toThrow();
    const [header, payload, signature] = (data.certificate as string).split('.') as [string, string, string];
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toEqual({
      tenant: data.tenant,
      branch: data.branch,
      box: data.box,
      signingKey: keys.signingKey,
      sealingKey: keys.sealingKey,
    });
    expect(
      verify(
        null,
        Buffer.from(`${header}.${payload}`),
        secrets.certifyingPublicKey,
        Buffer.from(signature, 'base64url'),
      ),
    ).toBe(true);
    expect(() => ed25519PublicKey(keys.signingKey)).not.toThrow();
  });

  it('gives each box of a branch a later epoch', async () => {
    const first = await enrol(await newCode('B002'));
    const second = await enrol(await newCode('B002'));
    expect([first.data.epoch, second.data.epoch]).toEqual([1, 2]);
  });

  it('takes a code once; only the box that spent it gets its answer again, for a while', async () => {
    const [code, keys] = [await newCode(), newBoxKeys()];
    const first = await enrol(code, keys);
    const again = await enrol(code, keys);
    expect([again.status, { ...again.data, pepper: null }]).toEqual([200, { ...first.data, pepper: null }]);
    const stranger = await enrol(code);
    expect([stranger.status, stranger.data.code]).toEqual([401, 'code-invalid']);
    clock.advance(601_000);
    expect((await enrol(code, keys)).status).toBe(401);
  });

  it('gives one of many that show the same code at once its place', async () => {
    const code = await newCode();
    const answers = await Promise.all(Array.from({ length: 8 }, () => enrol(code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('refuses a code that expired, one for a device, and keys that are none', async () => {
    const code = await newCode();
    clock.advance(24 * 3_600_000 + 1);
    expect((await enrol(code)).status).toBe(401);
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    const device = await api.post('/v1/branches/B001/enrolment-codes', { for: 'device', till: 'T1' });
    expect((await enrol(device.data.code)).status).toBe(401);
    const zero = await harness.anonymous.post('/sync/v1/enrol', {
      code: await newCode(),
      signingKey: newBoxKeys().signingKey,
      sealingKey: 'A'.repeat(43),
    });
    expect([zero.status, zero.data.code]).toEqual([400, 'invalid-field']);
    const extra = await harness.anonymous.post('/sync/v1/enrol', {
      code: 'x'.repeat(19),
      signingKey: 'A'.repeat(43),
      sealingKey: 'A'.repeat(43),
      branch: v7(),
    });
    expect(extra.data.code).toBe('unknown-field');
  });

  it('slows guessing down, and forgives with time', async () => {
    const guesses = await Promise.all(
      Array.from({ length: 30 }, (_, at) => enrol(`AAAA-AAAA-AAAA-${String(at).padStart(4, '0')}`)),
    );
    expect(guesses.every(({ status }) => status === 401 || status === 429)).toBe(true);
    const slowed = await enrol('AAAA-AAAA-AAAA-AAAA');
    expect([slowed.status, slowed.data.code]).toEqual([429, 'too-many-requests']);
    expect(Number(slowed.headers['retry-after'])).toBeGreaterThan(0);
    clock.advance(60_000);
    expect((await enrol(await newCode())).status).toBe(200);
  });
});

describe('a service token', () => {
  const ask = (body: Record<string, unknown>): Promise<AxiosResponse> => harness.anonymous.post('/sync/v1/token', body);
  const proof = async (keys = box.keys, signedBox = box.box): Promise<Record<string, unknown>> => {
    const { data } = await ask({ box: box.box });
    return { box: box.box, nonce: data.nonce, signature: signTokenProof(signedBox, data.nonce, keys.signing) };
  };

  it('is given for the signature over a nonce, which works once', async () => {
    const signed = await proof();
    const first = await ask(signed);
    expect([first.status, first.data.expiresInS]).toEqual([200, 600]);
    expect((await ask(signed)).status).toBe(401);
    const racing = await proof();
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(racing)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is not given for another key, another box, an old or an altered nonce, or an unknown box', async () => {
    const unknown = v7();
    const { data } = await ask({ box: unknown });
    const old = await proof();
    const altered = await proof();
    for (const body of [
      await proof(newBoxKeys()),
      await proof(box.keys, v7()),
      { box: unknown, nonce: data.nonce, signature: signTokenProof(unknown, data.nonce, box.keys.signing) },
      { box: box.box, nonce: data.nonce, signature: signTokenProof(box.box, data.nonce, box.keys.signing) },
      { ...altered, nonce: `A${String(altered['nonce']).slice(1)}` },
      { ...altered, signature: '' },
    ]) {
      const answer = await ask(body);
      expect([answer.status, answer.data.code]).toEqual([401, 'unauthenticated']);
    }
    clock.advance(60_001);
    expect((await ask(old)).status).toBe(401);
  });

  it('works whatever the clock of the box says, for ten minutes of the hub’s', async () => {
    const token = await tokenOf(harness.url, box.box, box.keys);
    const hello = { protocol: 1, version: '0.1.0', contract: 1, incarnations: [], hashesAt: [], cursors: [] };
    expect((await apiAt(harness.url, token).post('/sync/v1/hello', hello)).status).toBe(200);
    clock.advance(601_000);
    expect((await apiAt(harness.url, token).post('/sync/v1/hello', hello)).status).toBe(401);
  });
});

describe('the door of boxes', () => {
  const hello = { protocol: 1, version: '0.1.0', contract: 1, incarnations: [], hashesAt: [], cursors: [] };
  const knock = (token: string): Promise<AxiosResponse> => apiAt(harness.url, token).post('/sync/v1/hello', hello);
  const pushWith = (token: string): Promise<AxiosResponse> => box.push(box.newJournal().push(), { token });

  it('is closed to tokens of another audience, issuer, key or kind, for push as for hello', async () => {
    const key = signingKeyFrom(harness.hub.app.get(HubSecrets).boxesKey);
    const { tenant, branch } = box;
    const honest = {
      issuer: 'branchline-hub',
      audience: 'sync',
      subject: box.box,
      lifetimeS: 600,
      nowMs: clock.now(),
      claims: { tenant, branch },
    };
    const person = await harness.signIn(harness.admin.email, harness.admin.password);
    const forged = [
      signAccessToken(key, { ...honest, audience: 'hub-api' }),
      signAccessToken(key, { ...honest, issuer: 'other-hub' }),
      signAccessToken(signingKeyFrom(harness.hub.app.get(HubSecrets).peopleKey), honest),
      signAccessToken(key, { ...honest, nowMs: clock.now() - 601_000 }),
      signAccessToken(key, { ...honest, claims: { tenant, branch: v7() } }),
      signAccessToken(key, { ...honest, claims: { tenant: v7(), branch } }),
      person.accessToken,
    ];
    expect((await knock(signAccessToken(key, honest))).status).toBe(200);
    for (const token of forged) {
      expect((await knock(token)).status).toBe(401);
      expect((await pushWith(token)).status).toBe(401);
    }
    expect(
      (await harness.anonymous.post('/sync/v1/push', 'x', { headers: { 'content-type': 'application/x-ndjson' } }))
        .status,
    ).toBe(401);
  });

  it('opens nothing of people’s', async () => {
    const token = await tokenOf(harness.url, box.box, box.keys);
    for (const path of [
      '/v1/branches',
      '/v1/reports/sales?groupBy=branch&from=2026-11-01&to=2026-11-02',
      '/v1/fleet',
      '/v1/quarantine',
      '/v1/conflicts',
    ]) {
      expect((await apiAt(harness.url, token).get(path)).status).toBe(401);
    }
  });

  it('is shut to a revoked box with its very next request', async () => {
    const revoked = await TestBox.enrol(
      harness.url,
      (await harness.signIn(harness.admin.email, harness.admin.password)).api,
      'B001',
    );
    expect((await revoked.hello()).status).toBe(200);
    await harness.database.transaction(revoked.tenant, (tx) =>
      tx.execute('UPDATE box SET revoked_at = now() WHERE id = $1', [revoked.box]),
    );
    for (const answer of [await revoked.hello(), await revoked.push(revoked.newJournal().push())]) {
      expect([answer.status, answer.data.code]).toEqual([403, 'box-revoked']);
    }
    await expect(tokenOf(harness.url, revoked.box, revoked.keys)).rejects.toThrow('box-revoked');
  });

  it('shows nothing of another branch in hello', async () => {
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    const [mine, theirs] = [
      await TestBox.enrol(harness.url, api, 'B001'),
      await TestBox.enrol(harness.url, api, 'B002'),
    ];
    const journal = theirs.newJournal();
    journal.sale();
    await theirs.push(journal.push());
    const { incarnation } = journal;
    const zero = '0'.repeat(64);
    const { data } = await mine.hello({
      incarnations: [{ incarnation, seq: 2, hash: journal.headHash }],
      hashesAt: [{ incarnation, seq: 2 }],
      cursors: [
        { scope: `branch:${theirs.branch}`, hubEpoch: null, number: 0, hash: zero },
        { scope: `branch:${mine.branch}`, hubEpoch: null, number: 0, hash: zero },
        { scope: 'tenant', hubEpoch: null, number: 9_999, hash: zero },
      ],
    });
    expect(data.streams).toEqual([]);
    expect(data.hashes).toEqual([{ incarnation, seq: 2, hash: null }]);
    expect(data.cursors.map((cursor: { verdict: string }) => cursor.verdict)).toEqual(['not-yours', 'ok', 'ahead']);
    expect(data.now).toBe(clock.now());
  });

  it('speaks one protocol', async () => {
    const fresh = await TestBox.enrol(
      harness.url,
      (await harness.signIn(harness.admin.email, harness.admin.password)).api,
      'B001',
    );
    const answer = await fresh.hello({ protocol: 2 });
    expect(answer.data).toMatchObject({ status: 426, code: 'protocol', spoken: [1, 1] });
    expect((await fresh.hello()).data).toMatchObject({ protocol: 1, spoken: [1, 1] });
  });

  it('lets only so many bodies in at once, says when to come again, and answers hello meanwhile', async () => {
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    const boxes = [];
    for (let at = 0; at < 8; at += 1) boxes.push(await TestBox.enrol(harness.url, api, 'B001'));
    // Two of each box that begin to send the largest body and never go on: all room is taken.
    const sockets = boxes.flatMap(({ token }) => [openPush(token, BODY_MAX), openPush(token, BODY_MAX)]);
    const late = await TestBox.enrol(harness.url, api, 'B002');
    try {
      const full = await untilStatus(503, () => late.push(late.newJournal().push()));
      expect([full.data.code, full.headers['retry-after']]).toEqual(['busy', '2']);
      expect((await late.hello()).status).toBe(200);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    expect((await untilStatus(200, () => late.push(late.newJournal().push()))).status).toBe(200);
  });

  it('lets others push while many stores on dead lines are sending their small ones', async () => {
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    const boxes = [];
    for (let at = 0; at < 8; at += 1) boxes.push(await TestBox.enrol(harness.url, api, 'B001'));
    const sockets = boxes.flatMap(({ token }) => Array.from({ length: 4 }, () => openPush(token, 1000)));
    const late = await TestBox.enrol(harness.url, api, 'B002');
    try {
      await pause(300);
      expect((await late.push(late.newJournal().push())).status).toBe(200);
      // A fifth of one box is one too many, however small.
      const [first] = boxes;
      expect((await first?.push(first.newJournal().push()))?.status).toBe(503);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });
});

const BODY_MAX = 16 * 1024 * 1024;

function openPush(token: string, bytes: number): ReturnType<typeof connect> {
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(
    `POST /sync/v1/push HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/x-ndjson\r\nContent-Length: ${bytes}\r\n\r\n{`,
  );
  return socket;
}

/** Sockets open and close in their own time. */
async function untilStatus(status: number, attempt: () => Promise<AxiosResponse>): Promise<AxiosResponse> {
  for (let tries = 1; ; tries += 1) {
    const answer = await attempt();
    if (answer.status === status || tries === 100) return answer;
    await pause(20);
  }
}

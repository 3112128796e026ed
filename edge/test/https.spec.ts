import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '@branchline/domain/clock.js';
import axios from 'axios';
import { v7 } from 'uuid';
import { readConfig } from '../src/config.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { saveBox } from '../src/store/box.js';
import { newBox } from '../src/store/testing/store-fixture.js';
import { OwnCertificate } from '../src/trust/own-certificate.js';
import { machineWith } from '../src/trust/testing/machine.js';
import { loadAuthority } from '../src/trust/trust-files.js';

let folder: string;
let running: RunningEdge[];

const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };
const plain = axios.create({ validateStatus: () => true, timeout: 5_000 });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-https-'));
  saveBox(folder, newBox());
  running = [];
});
afterEach(async () => {
  for (const edge of running) await edge.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(
  environment: Record<string, string>,
  {
    clock = systemClock,
    machine = machineWith('edge-b001', ['192.168.1.20']),
  }: Partial<{ clock: Clock; machine: ReturnType<typeof machineWith> }> = {},
): Promise<RunningEdge> {
  const config = readConfig({ EDGE_DATA: folder, EDGE_HUB_URL: 'http://127.0.0.1:9', EDGE_PORT: '0', ...environment });
  const onFatal = (error: Error): never => {
    throw error;
  };
  const edge = await startEdge({ config, logger: quiet, clock, newId: v7, machine, onFatal });
  running.push(edge);
  return edge;
}

const authorityOf = (): string => loadAuthority(folder)?.certificate ?? '';

type Answer = { status: number; headers: Record<string, unknown>; text: string; names: string };

/** A client of its own for each call, so that each shakes hands anew. */
function ask(url: string, ca?: string, host?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      agent: new Agent({ keepAlive: false }),
      ...(ca !== undefined && { ca }),
      ...(host !== undefined && { servername: host, headers: { host } }),
    };
    const sent = request(url, options, (answer) => {
      const socket = answer.socket as import('node:tls').TLSSocket;
      const names = socket.getPeerCertificate().subjectaltname ?? '';
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => (text += piece));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, names }));
    });
    sent.once('error', reject);
    sent.end();
  });
}

describe('an edge with a certificate of its own', () => {
  it('is taken by a client that trusts its authority, and refused by one that does not', async () => {
    const edge = await start({ EDGE_TLS: 'auto' });
    expect(edge.url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    expect(edge.trustUrl).toBeNull();
    expect((await ask(`${edge.url}/health/live`, authorityOf())).status).toBe(200);
    await expect(ask(`${edge.url}/health/live`)).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    await expect(ask(`${edge.url}/health/live`, authorityOf(), 'bank.example.com')).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('takes one unasked beyond loopback, good for the names it was given', async () => {
    const edge = await start({ EDGE_HOST: '0.0.0.0', EDGE_TLS_NAMES: 'till.example.com' });
    const port = new URL(edge.url).port;
    const { status, names, headers } = await ask(
      `https://127.0.0.1:${port}/health/live`,
      authorityOf(),
      'till.example.com',
    );
    expect(status).toBe(200);
    expect(names).toContain('DNS:till.example.com');
    expect(names).toContain('IP Address:192.168.1.20');
    // A renewed authority must not find the door to its page shut by what the old one promised.
    expect(headers).not.toHaveProperty('strict-transport-security');
  });

  it('serves a renewed certificate without a restart, on new connections', async () => {
    const machine = machineWith('edge-b001', ['192.168.1.20']);
    const edge = await start({ EDGE_TLS: 'auto' }, { machine });
    const before = await ask(`${edge.url}/health/live`, authorityOf());
    machine.move(['10.7.0.3']);
    expect(await (edge.certificate as OwnCertificate).renewIfDue()).toBe(true);
    const after = await ask(`${edge.url}/health/live`, authorityOf());
    expect(before.names).not.toContain('10.7.0.3');
    expect(after.names).toContain('IP Address:10.7.0.3');
    expect(after.status).toBe(200);
  });

  it('says in its health and its metrics how many days are left', async () => {
    const edge = await start({ EDGE_TLS: 'auto' });
    const { text } = await ask(`${edge.url}/health/ready`, authorityOf());
    expect(JSON.parse(text).certificate).toEqual({ daysLeft: 364, authorityDaysLeft: 3_649, trouble: null });
    const metrics = await ask(`${edge.url}/metrics`, authorityOf());
    expect(metrics.text).toContain('branchline_edge_certificate_days_left 364');
    expect(metrics.text).toContain('branchline_edge_authority_days_left 3649');
  });
});

describe('the page that shows how to trust it', () => {
  it('stands behind a plain door of its own with the authority, and nothing else does', async () => {
    const edge = await start({ EDGE_TLS: 'auto', EDGE_TRUST_PORT: '0' });
    const door = edge.trustUrl as string;
    const page = await plain.get<string>(door);
    const fingerprint = execFileSync('openssl', ['x509', '-noout', '-fingerprint', '-sha256'], {
      input: authorityOf(),
    });
    expect(page.status).toBe(200);
    expect(page.data).toContain(String(fingerprint).trim().split('=')[1]);
    expect(page.data).toContain(`href="${edge.url}/"`);
    const der = await plain.get<ArrayBuffer>(`${door}/ca.crt`, { responseType: 'arraybuffer' });
    expect(der.headers['content-type']).toBe('application/x-x509-ca-cert');
    expect(execFileSync('openssl', ['x509', '-inform', 'DER'], { input: Buffer.from(der.data) }).toString()).toBe(
      execFileSync('openssl', ['x509'], { input: authorityOf() }).toString(),
    );
    const pem = await plain.get<string>(`${door}/ca.pem`);
    expect(pem.data.trim()).toBe(authorityOf().trim());
    const profile = await plain.get<string>(`${door}/ca.mobileconfig`);
    expect(profile.headers['content-type']).toBe('application/x-apple-aspen-config');
    expect(profile.data).toContain('<string>com.apple.security.root</string>');
    for (const path of [
      '/v1/sales',
      '/health/live',
      '/metrics',
      '/docs',
      '/v1/auth/pin',
      '/ca.key',
      '/trust',
      '//',
      '/../authority.json',
    ]) {
      expect([path, (await plain.get(`${door}${path}`)).status]).toEqual([path, 404]);
    }
    expect((await plain.post(`${door}/v1/auth/pin`, { operator: 'A', pin: '1' })).status).toBe(405);
  });

  it('runs its own script and style alone, and repeats no host that the certificate does not bear', async () => {
    const { trustUrl, url } = await start({ EDGE_TLS: 'auto', EDGE_TRUST_PORT: '0' });
    const asked = await plain.get<string>(trustUrl as string, { headers: { host: 'evil.example.com"><script>' } });
    const port = new URL(url).port;
    const named = await plain.get<string>(trustUrl as string, { headers: { host: 'evil.example.com' } });
    expect(asked.status).not.toBe(500);
    for (const { data, headers } of [named]) {
      expect(data).not.toContain('evil');
      expect(headers['content-security-policy']).toContain(`connect-src https://edge-b001:${port};`);
      expect(headers['content-security-policy']).not.toContain('unsafe');
    }
    const byName = await plain.get<string>(trustUrl as string, { headers: { host: 'edge-b001.local:8501' } });
    expect(byName.data).toContain(`https://edge-b001.local:${port}`);
  });

  it('is served over TLS too, and its check answers foreign pages that trust the store', async () => {
    const { url } = await start({ EDGE_TLS: 'auto' });
    const page = await ask(`${url}/trust`, authorityOf());
    expect(page.text).toContain('href="/trust/ca.crt"');
    expect(page.headers['content-security-policy']).toContain(`connect-src ${url};`);
    const check = await ask(`${url}/trust/check`, authorityOf());
    expect(check).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': '*' } });
    expect((await ask(`${url}/trust/ca.pem`, authorityOf())).text.trim()).toBe(authorityOf().trim());
  });

  it('whose port is taken ends the start in one line', async () => {
    const first = await start({ EDGE_TLS: 'auto', EDGE_TRUST_PORT: '0' });
    const other = mkdtempSync(join(tmpdir(), 'branchline-https-'));
    saveBox(other, newBox());
    const port = new URL(first.trustUrl as string).port;
    await expect(start({ EDGE_DATA: other, EDGE_TLS: 'auto', EDGE_TRUST_PORT: port })).rejects.toThrow(
      `EDGE_TRUST_PORT ${port}`,
    );
    rmSync(other, { recursive: true });
  });
});

describe('an edge with what it is given', () => {
  it('serves a given certificate as it stands, and no page of its own', async () => {
    const own = await OwnCertificate.open({
      ...{ dataDir: folder, branchCode: 'B001', configured: { hosts: [], addresses: [] } },
      ...{ clock: systemClock, machine: machineWith('edge-b001', []), logger: quiet },
    });
    const [certFile, keyFile] = [join(folder, 'given.pem'), join(folder, 'given-key.pem')];
    writeFileSync(certFile, own.served.cert);
    writeFileSync(keyFile, own.served.key);
    const edge = await start({ EDGE_TLS_CERT: certFile, EDGE_TLS_KEY: keyFile });
    const ready = await ask(`${edge.url}/health/ready`, authorityOf());
    expect(JSON.parse(ready.text).certificate).toEqual({ daysLeft: 364, authorityDaysLeft: null, trouble: null });
    expect(ready.headers).toHaveProperty('strict-transport-security');
    expect((await ask(`${edge.url}/trust`, authorityOf())).status).toBe(404);
  });

  it('speaks plain HTTP on loopback, as for trying', async () => {
    const edge = await start({});
    expect(edge.url).toMatch(/^http:\/\/127/);
    const ready = await plain.get(`${edge.url}/health/ready`);
    expect(ready.data.certificate).toBeNull();
    expect((await plain.get(`${edge.url}/trust`)).status).toBe(404);
  });

  it.each([
    [{ EDGE_HOST: '0.0.0.0', EDGE_TLS: 'off' }, 'EDGE_HOST 0.0.0.0: without TLS only loopback is served'],
    [{ EDGE_TLS: 'auto', EDGE_TLS_CERT: 'a', EDGE_TLS_KEY: 'b' }, 'EDGE_TLS=auto and EDGE_TLS_CERT exclude each other'],
    [{ EDGE_TLS_CERT: 'a' }, 'EDGE_TLS_CERT and EDGE_TLS_KEY go together'],
    [{ EDGE_TLS_CERT: 'a', EDGE_TLS_KEY: 'b', EDGE_TRUST_PORT: '8501' }, 'EDGE_TRUST_PORT is for'],
    [{ EDGE_TLS_NAMES: 'till.example.com' }, 'EDGE_TLS_NAMES is for'],
    [{ EDGE_TLS: 'auto', EDGE_TLS_NAMES: '*' }, 'EDGE_TLS_NAMES: * is neither'],
  ])('refuses what contradicts itself: %j', async (environment, line) => {
    await expect(start(environment)).rejects.toThrow(line);
  });
});

describe('npm run edge', () => {
  const edge = (...args: string[]) =>
    spawnSync(process.execPath, ['edge/dist/cli.js', ...args, '--data', folder], { encoding: 'utf8' });

  it('prints the fingerprint that the page shows, also while the edge runs', async () => {
    expect(edge('fingerprint')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('no certificate authority'),
    });
    const { trustUrl } = await start({ EDGE_TLS: 'auto', EDGE_TRUST_PORT: '0' });
    const { stdout, status } = edge('fingerprint');
    expect(status).toBe(0);
    expect((await plain.get<string>(trustUrl as string)).data).toContain(stdout.trim().replace('sha256=', ''));
    expect(edge('new-authority')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('another edge is running'),
    });
  });

  it('sets an authority aside, and the next start makes another', async () => {
    const first = await start({ EDGE_TLS: 'auto' });
    const before = authorityOf();
    await first.close();
    running = [];
    expect(edge('new-authority')).toMatchObject({
      status: 0,
      stdout: `aside=${join(folder, 'authority.json.before')}\n`,
    });
    await start({ EDGE_TLS: 'auto' });
    expect(authorityOf()).not.toBe(before);
  });
});

import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { issueCertificate, type KeyedCertificate } from './issue.js';
import type { Names } from './names.js';
import { OwnCertificate } from './own-certificate.js';
import { certificatePeriod, DAY_MS, type Period } from './periods.js';
import { machineWith } from './testing/machine.js';
import { loadAuthority, periodOf, setAuthorityAside } from './trust-files.js';

const NOON = Date.parse('2026-11-20T12:00:00.000Z');
const NO_NAMES: Names = { hosts: [], addresses: [] };

let dataDir: string;
let clock: ManualClock;
let logged: string[];
let told: string[];
let machine: ReturnType<typeof machineWith>;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-trust-'));
  clock = new ManualClock(NOON);
  logged = [];
  told = [];
  machine = machineWith('edge-b001', ['192.168.1.20']);
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (configured: Names = NO_NAMES): Promise<OwnCertificate> =>
  OwnCertificate.open({
    ...{ dataDir, branchCode: 'B001', configured, clock, machine },
    logger: { log: (message: string) => logged.push(message), error: (message: string) => told.push(message) },
  });

const servedBy = (own: OwnCertificate): X509Certificate => new X509Certificate(own.served.cert);
const file = (name: string): string => join(dataDir, name);

describe('a first start', () => {
  it('makes an authority and a certificate of it for every name of the box', async () => {
    const own = await open({ hosts: ['till.example.com'], addresses: ['203.0.113.9'] });
    expect(own.names).toEqual({
      hosts: ['edge-b001', 'edge-b001.local', 'localhost', 'till.example.com'],
      addresses: ['127.0.0.1', '192.168.1.20', '203.0.113.9', '::1'],
    });
    expect(servedBy(own).verify(own.authorityCertificate.publicKey)).toBe(true);
    expect(own.authorityCertificate.ca).toBe(true);
    expect(servedBy(own).ca).toBe(false);
    expect(servedBy(own).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });

  it('keeps both where the owner alone can read them, and the keys nowhere else', async () => {
    const own = await open();
    for (const name of ['authority.json', 'certificate.json']) expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(own.authorityCertificate.toString())).not.toContain('PRIVATE');
    expect(logged.join()).not.toContain('PRIVATE');
  });

  it('is followed by starts that show the same', async () => {
    const first = await open();
    clock.advance(DAY_MS);
    const second = await open();
    expect(second.served).toEqual(first.served);
    expect(second.authorityCertificate.fingerprint256).toBe(first.authorityCertificate.fingerprint256);
  });
});

describe('the period of a certificate', () => {
  it('is what Apple takes, 825 days at most, and reaches back for tills whose clock is slow', async () => {
    const { fromMs, toMs } = periodOf(servedBy(await open()));
    expect([fromMs, toMs]).toEqual([NOON - 30 * DAY_MS, NOON + 365 * DAY_MS]);
  });

  it('is renewed sixty days before its end, and not a day before that', async () => {
    const own = await open();
    const first = own.served;
    clock.advance(305 * DAY_MS);
    expect(await own.renewIfDue()).toBe(false);
    clock.advance(1_000);
    expect(await own.renewIfDue()).toBe(true);
    expect(own.served).not.toEqual(first);
    expect(own.figures().daysLeft).toBe(365);
    expect(await own.renewIfDue()).toBe(false);
  });

  it('never outlasts its authority, whose end is told a year ahead, once', async () => {
    const own = await open();
    const ends = periodOf(own.authorityCertificate).toMs;
    clock.set(ends - 366 * DAY_MS);
    await own.renewIfDue();
    expect(told).toEqual([]);
    clock.set(ends - 20 * DAY_MS);
    await own.renewIfDue();
    expect(periodOf(servedBy(own)).toMs).toBe(ends);
    expect(await own.renewIfDue()).toBe(false);
    expect(told).toEqual([expect.stringContaining("the store's certificate authority ends on 2036-11-17")]);
    expect(own.figures()).toEqual({ daysLeft: 20, authorityDaysLeft: 20, trouble: null });
  });
});

describe('a clock that is wrong by years', () => {
  it('in the past: makes what is good today, says so, and renews once it is put right', async () => {
    clock.set(Date.parse('1970-01-01T00:01:00Z'));
    const own = await open();
    expect(isGoodAt(own, Date.parse('2026-11-20T12:00:00Z'))).toBe(true);
    expect(told).toEqual([expect.stringContaining('the clock is wrong by years')]);
    expect(await own.renewIfDue()).toBe(false);
    clock.set(NOON + 400 * DAY_MS);
    expect(await own.renewIfDue()).toBe(true);
    expect(isGoodAt(own, NOON + 400 * DAY_MS)).toBe(true);
  });

  it('in the past after a good start: what was good stays', async () => {
    const before = (await open()).served;
    clock.set(0);
    expect((await open()).served).toEqual(before);
  });

  it('in the future: the authority is good all the same, the certificate as soon as the clock is right', async () => {
    clock.set(NOON + 8 * 365 * DAY_MS);
    const own = await open();
    const authority = periodOf(own.authorityCertificate);
    expect(authority.fromMs).toBeLessThan(NOON);
    expect(isGoodAt(own, NOON)).toBe(false);
    clock.set(NOON);
    expect(await own.renewIfDue()).toBe(true);
    expect(isGoodAt(own, NOON)).toBe(true);
  });

  const isGoodAt = (own: OwnCertificate, atMs: number): boolean =>
    [own.authorityCertificate, servedBy(own)].every((certificate) => {
      const { fromMs, toMs } = periodOf(certificate);
      return fromMs <= atMs && atMs < toMs;
    });
});

describe('a box that moves', () => {
  it('gets a certificate with its new address, of the same authority', async () => {
    const own = await open();
    const renewed: KeyedCertificate[] = [];
    own.onRenewed((certificate) => renewed.push(certificate));
    const { fingerprint256 } = own.authorityCertificate;
    machine.move(['10.7.0.3']);
    expect(await own.renewIfDue()).toBe(true);
    expect(own.names.addresses).toEqual(['10.7.0.3', '127.0.0.1', '::1']);
    expect(own.authorityCertificate.fingerprint256).toBe(fingerprint256);
    expect(renewed).toHaveLength(1);
  });

  it('keeps what it has when it only loses one: a card without a cable is no reason', async () => {
    const own = await open();
    machine.move([]);
    expect(await own.renewIfDue()).toBe(false);
  });

  it('is not vouched for by a name that came after its authority', async () => {
    await open();
    machine = machineWith('other-1', ['192.168.1.20']);
    expect((await open()).names.hosts).toEqual(['localhost', 'edge-b001', 'edge-b001.local'].sort());
    await expect(open({ hosts: ['new.example.com'], addresses: [] })).rejects.toThrow(
      "EDGE_TLS_NAMES: this store's authority may not sign for new.example.com",
    );
  });
});

describe('its files', () => {
  it('damaged: the authority is told in one line, a certificate is made anew', async () => {
    const first = await open();
    writeFileSync(file('certificate.json'), '{"certificate":"half');
    const second = await open();
    expect(second.served).not.toEqual(first.served);
    for (const text of ['', 'half', readFileSync(file('authority.json'), 'utf8').replace('BEGIN PRIVATE', 'BEGIN')]) {
      writeFileSync(file('authority.json'), text);
      await expect(open()).rejects.toThrow(/authority\.json is damaged: put it back from a backup/);
    }
  });

  it('are refused when others may read them', async () => {
    await open();
    chmodSync(file('authority.json'), 0o640);
    await expect(open()).rejects.toThrow('authority.json can be read by others: chmod 600 it');
  });

  it('whose authority was set aside are followed by another, and a certificate of that', async () => {
    const first = await open();
    expect(setAuthorityAside(dataDir)).toBe(file('authority.json.before'));
    const second = await open();
    expect(second.authorityCertificate.fingerprint256).not.toBe(first.authorityCertificate.fingerprint256);
    expect(servedBy(second).verify(second.authorityCertificate.publicKey)).toBe(true);
  });

  it('keep every authority that was set aside, under a name of its own', async () => {
    const fingerprints: string[] = [];
    for (const name of ['authority.json.before', 'authority.json.before-2', 'authority.json.before-3']) {
      fingerprints.push((await open()).authorityCertificate.fingerprint256);
      expect(setAuthorityAside(dataDir)).toBe(file(name));
    }
    const kept = ['', '-2', '-3'].map((no) => {
      const { certificate } = JSON.parse(readFileSync(file(`authority.json.before${no}`), 'utf8'));
      return new X509Certificate(certificate).fingerprint256;
    });
    expect(kept).toEqual(fingerprints);
  });

  it('that cannot be written are told, and what is served goes on', async () => {
    const own = await open();
    const before = own.served;
    machine.move(['10.7.0.3']);
    rmSync(dataDir, { recursive: true });
    await own.lookAfter();
    await own.lookAfter();
    expect(own.served).toEqual(before);
    expect(own.figures().trouble).toContain('ENOENT');
    expect(told).toHaveLength(1);
  });
});

describe('a client that trusts the authority', () => {
  const period = (own: OwnCertificate): Period => certificatePeriod(Date.now(), periodOf(own.authorityCertificate));

  /** @returns null when the client accepts what it is shown */
  async function refusal(ca: X509Certificate, shown: KeyedCertificate, name: string): Promise<string | null> {
    const server = createServer({ cert: shown.certificate, key: shown.key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      return await new Promise((resolve) => {
        const isAddress = /^[\d.]+$/.test(name);
        const socket = connect({ host: '127.0.0.1', port, ca: ca.toString(), ...(!isAddress && { servername: name }) });
        const end = (refused: string | null): void => {
          socket.destroy();
          resolve(refused);
        };
        socket.once('secureConnect', () => end(null));
        socket.once('error', (error) => end(error.message));
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it.each(['localhost', '127.0.0.1', 'edge-b001.local'])('takes its certificate for %s', async (name) => {
    clock.set(Date.now());
    const own = await open();
    const { cert: certificate, key } = own.served;
    expect(await refusal(own.authorityCertificate, { certificate, key }, name)).toBeNull();
  });

  it.each([
    ['another site', 'bank.example.com', { hosts: ['bank.example.com'], addresses: [] }],
    ['another store', 'edge-b002.local', { hosts: ['edge-b002.local'], addresses: [] }],
    ['a public address', '127.0.0.1', { hosts: ['localhost'], addresses: ['127.0.0.1', '203.0.113.9'] }],
  ])('refuses what it signs for %s', async (_what, name, names) => {
    clock.set(Date.now());
    const own = await open();
    const authority = loadAuthority(dataDir);
    if (authority === null) throw new Error('there is an authority');
    const forged = await issueCertificate(authority, names, period(own));
    expect(await refusal(own.authorityCertificate, forged, name)).toBe('permitted subtree violation');
  });
});

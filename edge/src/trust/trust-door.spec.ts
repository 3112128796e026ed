import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { OwnCertificate } from './own-certificate.js';
import { machineWith } from './testing/machine.js';
import { CONNECTIONS_MAX, openTrustDoor, type TrustDoor } from './trust-door.js';

const NOON = Date.parse('2026-11-20T12:00:00.000Z');

let dataDir: string;
let door: TrustDoor;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-trust-'));
  const certificate = await OwnCertificate.open({
    ...{ dataDir, branchCode: 'B001', configured: { hosts: [], addresses: [] }, clock: new ManualClock(NOON) },
    ...{ machine: machineWith('edge-b001', []), logger: { log: () => undefined, error: () => undefined } },
  });
  const place = { host: '127.0.0.1', port: 0, branchCode: 'B001', securePort: 8500 };
  door = await openTrustDoor({ ...place, certificate, requestMsMax: 200 });
});
afterEach(async () => {
  await door.close();
  rmSync(dataDir, { recursive: true, force: true });
});

it('is not kept shut by those who come and say nothing', async () => {
  const silent = Array.from({ length: CONNECTIONS_MAX }, (_, index): Socket => {
    const socket = connect(door.port, '127.0.0.1').resume();
    if (index % 2 === 0) socket.write('GET / HTTP/1.1\r\n');
    return socket;
  });
  const soon = { signal: AbortSignal.timeout(10_000) };
  await Promise.all(silent.map((socket) => once(socket, 'close', soon)));
  const page = await fetch(`http://127.0.0.1:${door.port}/`);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('B001');
});

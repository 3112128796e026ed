import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cutWhenSlow } from './slow-reader.js';

/** More than the buffers of both ends hold. */
const BYTES = 48 * 1024 * 1024;
/** Long beside what a machine in use may hold a timer up. */
const SLOW_MS_MAX = 1_500;

let server: Server;
let folder: string;
let closed: Promise<void>;
let gone: ServerResponse;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-slow-'));
  writeFileSync(join(folder, 'file'), Buffer.alloc(BYTES, 1));
  server = createServer((_request, answer) => {
    closed = new Promise((soon) => answer.once('close', soon));
    gone = answer;
    const file = createReadStream(join(folder, 'file'));
    cutWhenSlow(answer, file, SLOW_MS_MAX);
    file.pipe(answer);
    answer.once('close', () => file.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

function asked(): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) =>
    request({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject).end(),
  );
}

const timersNow = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;

describe('a reader of a large file', () => {
  it('that takes nothing any more is cut, and its place is free', async () => {
    const answer = await asked();
    answer.on('error', () => undefined);
    await closed;
    answer.destroy();
  }, 60_000);

  it('that hung up before there was a file is not watched', async () => {
    const answer = await asked();
    answer.on('error', () => undefined).destroy();
    await closed;
    const file = createReadStream(join(folder, 'file'));
    const timers = timersNow();
    cutWhenSlow(gone, file, SLOW_MS_MAX);
    file.destroy();
    expect(timersNow()).toBe(timers);
  }, 60_000);

  it('that is slow and takes all the same gets the whole', async () => {
    const answer = await asked();
    let bytes = 0;
    let nextPauseAt = BYTES / 3;
    for await (const piece of answer as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes < nextPauseAt) continue;
      nextPauseAt += BYTES / 3;
      await pause(SLOW_MS_MAX / 3);
    }
    expect(bytes).toBe(BYTES);
  }, 60_000);
});

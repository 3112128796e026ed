import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import axios from 'axios';
import { saveBox } from '../src/store/box.js';
import { newBox } from '../src/store/testing/store-fixture.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let folder: string;
let edge: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-start-'));
  saveBox(folder, newBox());
});
afterEach(async () => {
  if (edge?.exitCode === null) {
    edge.kill('SIGTERM');
    await once(edge, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Preloaded into the program: the debugger hears of every script, however it is loaded. */
const NOTE_PACKAGES = `
  const { appendFileSync } = require('node:fs');
  const session = new (require('node:inspector').Session)();
  const noted = new Set();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params: { url } }) => {
    const name = url.match(/.*node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//)?.[1];
    if (name === undefined || noted.has(name)) return;
    noted.add(name);
    appendFileSync(process.env.NOTES, name + '\\n');
  });
  session.post('Debugger.enable');`;

it('loads what makes the OpenAPI document with its first reading, and validators and issuers that it has no use for not at all', async () => {
  const [preload, notes] = [join(folder, 'note.cjs'), join(folder, 'notes')];
  writeFileSync(preload, NOTE_PACKAGES);
  const loaded = (): string[] => readFileSync(notes, 'utf8').split('\n');
  const env = { EDGE_DATA: folder, EDGE_PORT: '0', EDGE_HUB_URL: 'http://127.0.0.1:9', NOTES: notes };
  edge = spawn(process.execPath, ['--require', preload, MAIN], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = await once(edge.stdout as NodeJS.ReadableStream, 'data');
  const { url } = JSON.parse(String(line)) as { url: string };

  expect(loaded()).toEqual(expect.arrayContaining(['fastify', 'typeorm', 'rxjs']));
  for (const name of ['@nestjs/swagger', 'ajv', '@peculiar/x509']) expect(loaded()).not.toContain(name);

  expect((await axios.get(`${url}/docs/json`)).status).toBe(200);
  expect(loaded()).toContain('@nestjs/swagger');
});

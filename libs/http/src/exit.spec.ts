import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** As it is run: by Node, from what was built. */
const BUILT = pathToFileURL(join(process.cwd(), 'libs/http/dist/exit.js')).href;

type Ended = { code: number | null; signal: string | null; stdout: string; stderr: string };

function run(main: string, onFirstOutput?: (kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended> {
  const source = `import { BadInput, EnvironmentFailure, runMain } from '${BUILT}'; runMain('edge', ${main});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  const ended: Ended = { code: null, signal: null, stdout: '', stderr: '' };
  child.stderr.on('data', (data: Buffer) => (ended.stderr += data.toString()));
  child.stdout.on('data', (data: Buffer) => (ended.stdout += data.toString()));
  child.stdout.once('data', () => onFirstOutput?.((signal) => child.kill(signal)));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ ...ended, code, signal })));
}

const SERVER = `async () => {
  const alive = setInterval(() => {}, 1_000);
  console.log('up');
  return { close: async () => { await new Promise((done) => setTimeout(done, 50)); console.log('closed'); clearInterval(alive); } };
}`;

describe('a program', () => {
  it.each([
    ['that does its work', 'async () => {}', 0, ''],
    ['that finds a difference', 'async () => 1', 1, ''],
    [
      'that is handed nonsense',
      "async () => { throw new BadInput('line 7: no price') }",
      2,
      'edge: line 7: no price\n',
    ],
    [
      'that meets a full port',
      "async () => { throw new EnvironmentFailure('127.0.0.1:80\\n is in use') }",
      3,
      'edge: 127.0.0.1:80 is in use\n',
    ],
  ])('%s ends with its code and one line', async (_what, main, code, stderr) => {
    expect(await run(main)).toMatchObject({ code, stderr });
  });

  it('that has a bug ends with 1 and a stack', async () => {
    const { code, stderr } = await run("async () => { throw new Error('oops') }");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^edge: Error: oops\n\s+at /);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('closes in order on %s and ends well', async (signal) => {
    const ended = await run(SERVER, (kill) => kill(signal));
    expect(ended).toMatchObject({ code: 0, signal: null, stdout: 'up\nclosed\n' });
  });

  it('told to stop while it starts, closes what it started', async () => {
    const slow = `async () => { console.log('starting'); await new Promise((done) => setTimeout(done, 200)); return (${SERVER})(); }`;
    expect(await run(slow, (kill) => kill('SIGTERM'))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/closed\n$/),
    });
  });

  it('that cannot close ends with 1', async () => {
    const stuck = "async () => { console.log('up'); return { close: async () => { throw new Error('stuck') } }; }";
    const alive = `async () => { setInterval(() => {}, 1_000); return (${stuck})(); }`;
    expect(await run(alive, (kill) => kill('SIGINT'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('stuck'),
    });
  });
});

import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** As it is run: by Node, from what was built, onto real streams. */
const BUILT = pathToFileURL(join(process.cwd(), 'libs/http/dist/log.js')).href;

function written(body: string, level?: string): Record<string, unknown>[] {
  const source = `import { createLogger } from '${BUILT}'; ${body}`;
  const env = { ...process.env, ...(level !== undefined && { LOG_LEVEL: level }) };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    env,
    encoding: 'utf8',
  });
  // Standard output belongs to what a program answers.
  expect(stdout).toBe('');
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  it('is one JSON object a line, without secrets at any depth', () => {
    const secrets =
      "pin: 'canary-1', body: { password: 'canary-2', code: 'canary-3' }, list: [{ refreshToken: 'canary-4' }]";
    const lines = written(
      `createLogger('edge').log({ message: 'signed in', code: 'day-sealed', ${secrets} }); createLogger('edge').log('two\\nlines');`,
    );
    expect(JSON.stringify(lines)).not.toContain('canary');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      level: 'log',
      context: 'edge',
      message: { message: 'signed in', code: 'day-sealed' },
    });
  });

  it('shows its level and what is more urgent', () => {
    const body = "const log = createLogger('edge'); log.debug('unseen'); log.log('unseen'); log.warn('seen');";
    expect(written(body, 'warn').map((line) => line['message'])).toEqual(['seen']);
    expect(written(body, 'debug')).toHaveLength(3);
  });

  it('of a level that does not exist is refused', () => {
    const [refused] = written(
      "try { createLogger('edge') } catch (error) { console.error(JSON.stringify({ error: error.message })) }",
      'loud',
    );
    expect(refused).toEqual({ error: expect.stringContaining('LOG_LEVEL: loud') });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startHubHarness, type HubHarness } from './hub-harness.js';

let harness: HubHarness;
beforeAll(async () => {
  harness = await startHubHarness();
});
afterAll(() => harness.close());

describe('the files of the page', () => {
  it('come with a policy that lets nothing in but themselves, and are asked for again', async () => {
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/console/main.js', 'text/javascript'],
      ['/console/console.css', 'text/css'],
      ['/console/icon.svg', 'image/svg+xml'],
    ] as const) {
      const { status, headers } = await harness.anonymous.get(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers).toMatchObject({
        'content-type': expect.stringContaining(type),
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      });
      const again = await harness.anonymous.get(path, { headers: { 'if-none-match': headers['etag'] } });
      expect([again.status, again.data]).toEqual([304, '']);
    }
  });

  it('are these and no others', async () => {
    for (const path of [
      '/console/index.htm',
      '/console/main.d.ts',
      '/console/.tsbuildinfo',
      '/console/words.spec.js',
      '/console/..%2f..%2fpackage.json',
      '/console/..%2fdist%2fmain.js',
      '/console/constructor',
      '/console/__proto__',
      '/console/',
      '/index.html',
    ]) {
      const { status, data } = await harness.anonymous.get(path);
      expect([path, status, data.code]).toEqual([path, 404, 'not-found']);
    }
  });
});

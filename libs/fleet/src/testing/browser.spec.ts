import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findChromium } from './browser.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-browser-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, mode = 0o755): string => {
  writeFileSync(join(folder, name), '');
  chmodSync(join(folder, name), mode);
  return join(folder, name);
};

describe('the browser of the specs', () => {
  it('is the one that is named, or else one by a usual name', () => {
    const chrome = put('google-chrome');
    expect(findChromium({ PATH: `/nowhere:${folder}` })).toBe(chrome);
    const chromium = put('chromium');
    expect(findChromium({ PATH: folder })).toBe(chromium);
    expect(findChromium({ PATH: folder, CHROMIUM_PATH: chrome })).toBe(chrome);
  });

  it('is asked for in one line where there is none: a page nobody looked at is not tested', () => {
    expect(() => findChromium({ PATH: folder })).toThrow(
      /^This spec needs a browser: install Chromium .*CHROMIUM_PATH\.$/,
    );
    expect(() => findChromium({ PATH: folder, CHROMIUM_PATH: join(folder, 'gone') })).toThrow(/gone cannot be run$/);
  });
});

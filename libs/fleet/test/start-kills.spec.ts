import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { killStarts } from '../src/accept/start-kills.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CASE_MS_MAX = 300_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-kills-spec-'));
  // The user who runs PostgreSQL for root has to get through it.
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Twenty of them, at every moment, are row 4 of `npm run accept -- chain`. */
describe('npm start that is killed outright', () => {
  it(
    'leaves nothing running, and the next start has every sale that a till was told of, once, at edge and head office',
    async () => {
      const signal = new AbortController().signal;
      const kills = [
        { moment: 'trading', afterMs: 1_500, fresh: false, waits: true },
        { moment: 'stopping', afterMs: 150, fresh: false, waits: false },
      ] as const;
      const run = { root: ROOT, dataDir: join(folder, 'data'), edges: 1, kills, signal, note: () => undefined };
      const { complaints, told, starts } = await killStarts(run);
      expect(complaints).toEqual([]);
      expect(starts).toBe(3);
      // A start is READY once a till was told of a sale; how many more there were is chance.
      expect(told).toBeGreaterThanOrEqual(starts);
    },
    CASE_MS_MAX,
  );
});

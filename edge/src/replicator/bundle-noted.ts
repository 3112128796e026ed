import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writePrivateFile } from '../store/private-file.js';
import type { ReadTx } from '../store/tx.js';
import type { BundleOut } from './bundle-out.js';
import { lastBundleIn } from './learn-bundle.js';
import { isoOrNull } from './sync-status.js';

const FILE_NAME = 'bundle-out.json';
const noteSchema = z.looseObject({ bundle: z.string(), at: z.string(), lines: z.int() });

/** When something last went out by bundle and came in by one; null: never. */
export type BundlesNoted = {
  lastOutAt: string | null;
  linesOut: number | null;
  lastInAt: string | null;
  /** When head office made the newest of those that came. */
  lastInCreatedAt: string | null;
};

/** Beside the database: the command that writes bundles runs while the edge does, and one writes to the database. */
export function noteBundleOut(dataDir: string, { bundle, createdAtMs, lines }: BundleOut): void {
  const note = { bundle, at: new Date(createdAtMs).toISOString(), lines };
  writePrivateFile(join(dataDir, FILE_NAME), JSON.stringify(note));
}

export function bundlesNoted(tx: ReadTx, dataDir: string): BundlesNoted {
  const [out, last] = [readNote(dataDir), lastBundleIn(tx)];
  return {
    lastOutAt: out?.at ?? null,
    linesOut: out?.lines ?? null,
    lastInAt: isoOrNull(last?.atMs ?? null),
    lastInCreatedAt: isoOrNull(last?.createdAtMs ?? null),
  };
}

/** A note for people: damaged it is as good as none. */
function readNote(dataDir: string): z.infer<typeof noteSchema> | null {
  try {
    return noteSchema.parse(JSON.parse(readFileSync(join(dataDir, FILE_NAME), 'utf8')));
  } catch {
    return null;
  }
}

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { snapshotFactsSchema, type SnapshotFacts } from '@branchline/replication/snapshot.js';
import { z } from 'zod';
import type { HubClient, SnapshotHead } from './hub-client.js';
import { LineFailure, Refusal } from './hub-failure.js';

/** What came is not what was announced: nothing of it is taken. */
export class CorruptSnapshot extends Error {
  override readonly name = 'CorruptSnapshot';
}

/** A scope of customers and all they bought is some hundred MB: more is no snapshot of ours. */
const BYTES_MAX = 4 * 1024 ** 3;

const knownPartSchema = z.object({
  etag: z.string(),
  encoding: z.enum(['br', 'identity']),
  /** Of the file as it is encoded. */
  length: z.int(),
  facts: snapshotFactsSchema,
});
type KnownPart = z.infer<typeof knownPartSchema>;

export type FetchedSnapshot = { facts: SnapshotFacts; file: string };

/**
 * Fetches a scope's snapshot into files named after `base`. What a cut leaves is gone on with, by this process or the next;
 * a snapshot that was made anew meanwhile begins from its start.
 *
 * @returns null when the hub says that reading the feed is the shorter way
 * @throws CorruptSnapshot, LineFailure, Refusal
 */
export async function fetchSnapshot(hub: SnapshotSource, scope: string, base: string): Promise<FetchedSnapshot | null> {
  const part = `${base}.part`;
  let known = await readKnown(base);
  const have = known === null ? 0 : ((await stat(part).catch(() => null))?.size ?? 0);
  if (known === null || have < known.length) {
    known = await download(hub, scope, base, have > 0 ? { known, have } : null);
    if (known === null) return null;
  }
  const file = `${base}.sqlite`;
  const plain = new Measure(known.facts.bytes);
  const source = createReadStream(part);
  const target = createWriteStream(file, { mode: 0o600 });
  try {
    await (known.encoding === 'br'
      ? pipeline(source, createBrotliDecompress(), plain, target)
      : pipeline(source, plain, target));
    if (plain.sha256() !== known.facts.sha256) throw new CorruptSnapshot(`${scope}: the snapshot has another sha256`);
  } catch (error) {
    await dropSnapshot(base);
    if (error instanceof CorruptSnapshot || !isOfZlib(error)) throw error;
    throw new CorruptSnapshot(`${scope}: the snapshot cannot be unpacked`, { cause: error });
  }
  return { facts: known.facts, file };
}

export async function dropSnapshot(base: string): Promise<void> {
  for (const suffix of ['part', 'json', 'sqlite']) await rm(`${base}.${suffix}`, { force: true });
}

async function readKnown(base: string): Promise<KnownPart | null> {
  try {
    return knownPartSchema.parse(JSON.parse(await readFile(`${base}.json`, 'utf8')));
  } catch {
    // None, or one that a power cut left half written: then from the start.
    return null;
  }
}

/** How much of a file lies under `base`, and which one it is: as the hub names it, which is by its SHA-256. */
export async function beginningOf(base: string): Promise<{ fileSha256: string; have: number } | null> {
  const known = await readKnown(base);
  const [, fileSha256] = /^"([0-9a-f]{64})"$/.exec(known?.etag ?? '') ?? [];
  const have = (await stat(`${base}.part`).catch(() => null))?.size ?? 0;
  if (known === null || fileSha256 === undefined || known.encoding !== 'br') return null;
  return have > 0 && have < known.length ? { fileSha256, have } : null;
}

export type SnapshotSource = Pick<HubClient, 'snapshot'>;
type From = { known: KnownPart | null; have: number };

async function download(
  hub: SnapshotSource,
  scope: string,
  base: string,
  from: From | null,
): Promise<KnownPart | null> {
  const known = from?.known ?? null;
  const headers: Record<string, string> =
    known === null ? {} : { range: `bytes=${from?.have ?? 0}-`, 'if-range': known.etag };
  let answered: KnownPart | undefined;
  let file: FileHandle | undefined;
  let written = 0;
  try {
    await hub.snapshot(scope, headers, {
      async onHead(head) {
        const goesOn = known !== null && head.status === 206 && head.etag === known.etag;
        answered = goesOn ? known : announced(scope, head);
        written = goesOn ? (from?.have ?? 0) : 0;
        if (!goesOn) await writeFile(`${base}.json`, JSON.stringify(answered), { mode: 0o600 });
        file = await open(`${base}.part`, goesOn ? 'a' : 'w', 0o600);
      },
      async onPiece(piece) {
        written += piece.length;
        if (written > (answered?.length ?? 0)) throw new CorruptSnapshot(`${scope}: more than was announced`);
        await file?.write(piece);
      },
    });
  } catch (error) {
    // None is worth it here; or a hub of before, that has no such route.
    if (error instanceof Refusal && error.status === 404) return null;
    // What is here is no beginning of what is there.
    if (error instanceof CorruptSnapshot || (error instanceof Refusal && error.status === 416))
      await dropSnapshot(base);
    throw error;
  } finally {
    await file?.close();
  }
  if (answered === undefined || written < answered.length)
    throw new LineFailure(`snapshot of ${scope}: cut at ${written} of ${answered?.length} bytes`);
  return answered;
}

/** @throws CorruptSnapshot */
function announced(scope: string, head: SnapshotHead): KnownPart {
  const { etag, encoding, length, facts } = head;
  const isOurs = facts.scope === scope && facts.bytes <= BYTES_MAX && length <= BYTES_MAX;
  if (!isOurs) throw new CorruptSnapshot(`${scope}: what was announced is no snapshot of it`);
  return { etag, encoding, length, facts };
}

/** Counts and hashes what goes through, and lets no more through than was announced. */
class Measure extends Transform {
  private readonly hash = createHash('sha256');
  private left: number;

  constructor(bytesMax: number) {
    super();
    this.left = bytesMax;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.left -= piece.length;
    if (this.left < 0) return done(new CorruptSnapshot('the snapshot is longer than was announced'));
    this.hash.update(piece);
    done(null, piece);
  }

  sha256(): string {
    return this.hash.digest('hex');
  }
}

function isOfZlib(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('ERR_BROTLI') || code.startsWith('ERR__ERROR') || code.startsWith('Z_');
}

import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BadBundle, decodePreamble, encodePreamble, newBundleHash, signedMessage } from './bundle.js';
import { BUNDLE_CHUNK_BYTES, TAG_BYTES } from './bundle-chunks.js';
import { BundleFile } from './bundle-file.js';
import { encodeRecord, RecordFinder, type BundleRecord } from './bundle-records.js';
import { sha256Hex } from './chain.js';
import { rawPublicKey } from './head-signature.js';
import { brotliJson, writeBundle, type BundleEnd, type NewBundle } from './write-bundle.js';

const sender = generateKeyPairSync('ed25519').privateKey;
const stranger = generateKeyPairSync('ed25519').privateKey;
const receiver = generateKeyPairSync('x25519').privateKey;
const other = generateKeyPairSync('x25519').privateKey;
const keys = { sealingKey: receiver, signedBy: rawPublicKey(sender) };
const uuid = (no: number): string => `00000000-0000-7000-8000-${String(no).padStart(12, '0')}`;
const bundle: NewBundle = {
  ...{ direction: 'up', tenant: uuid(1), branch: uuid(2), box: uuid(3), bundle: uuid(4), createdAt: 1_763_000_000_000 },
  sealedTo: rawPublicKey(receiver),
};
const signed = (message: Buffer): Buffer => sign(null, message, sender);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-bundle-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function* each(records: readonly BundleRecord[]): AsyncGenerator<BundleRecord> {
  yield* records;
}

async function written(
  records: readonly BundleRecord[],
  options: { bytesMax?: number; onEnd?: (end: BundleEnd) => void } = {},
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of writeBundle(bundle, each(records), signed, options)) parts.push(part);
  return Buffer.concat(parts);
}

type Digest = [label: unknown, bytes: number, sha256: string];

/** Buffers of this size are compared by Jest in seconds. */
const digests = (records: readonly { label: unknown; body: Buffer }[]): Digest[] =>
  records.map(({ label, body }) => [label, body.length, sha256Hex(body)]);

/** What a receiver gets of these bytes: all records, or the fault. */
async function received(bytes: Buffer, by = keys): Promise<Digest[] | string> {
  const path = join(folder, 'a-bundle');
  writeFileSync(path, bytes);
  let file: BundleFile | null = null;
  try {
    file = await BundleFile.open(path);
    const places = await file.prove(by);
    const records: BundleRecord[] = [];
    for (const place of places) {
      if (place.label !== null) records.push({ label: place.label, body: await file.read(place) });
    }
    return digests(records);
  } catch (error) {
    if (error instanceof BadBundle) return error.fault;
    throw error;
  } finally {
    await file?.close();
  }
}

const page = (no: number, body: Buffer): BundleRecord => ({
  label: { kind: 'page', encoding: 'br', scope: 'tenant', first: no, last: no },
  body,
});
const sizes = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: BUNDLE_CHUNK_BYTES - 200, max: BUNDLE_CHUNK_BYTES + 200 }),
  fc.integer({ min: 3 * BUNDLE_CHUNK_BYTES, max: 3 * BUNDLE_CHUNK_BYTES + 5 }),
);
const someRecords = fc
  .array(sizes, { maxLength: 6 })
  .map((list) => list.map((size, at) => page(at + 1, Buffer.alloc(size, at + 1))));

/** Several chunks, so that there is something to move about. */
const sample = [page(1, Buffer.alloc(100, 1)), page(2, Buffer.alloc(2 * BUNDLE_CHUNK_BYTES, 2))];
const SEALED = BUNDLE_CHUNK_BYTES + TAG_BYTES;

/** As somebody would sign it who has the sender's key and not what is inside. */
function signedAnew(unsigned: Buffer): Buffer {
  return Buffer.concat([unsigned, signed(signedMessage(newBundleHash().update(unsigned).digest()))]);
}

describe('a bundle', () => {
  it('gives its records back, whatever their number and size', async () => {
    await fc.assert(
      fc.asyncProperty(someRecords, async (records) => {
        expect(await received(await written(records))).toEqual(digests(records));
      }),
      { numRuns: 60 },
    );
  });

  it('is refused whole when one byte of it was changed, wherever', async () => {
    const bytes = await written(sample);
    const anywhere = fc.oneof(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 500 }));
    await fc.assert(
      fc.asyncProperty(anywhere, fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ bits;
        expect(['forged', 'malformed']).toContain(await received(changed));
      }),
      { numRuns: 200 },
    );
  });

  it('is refused whole when it was cut, at either end of any length, or something follows it', async () => {
    const bytes = await written(sample);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        expect(['forged', 'malformed']).toContain(await received(bytes.subarray(0, length)));
      }),
      { numRuns: 100 },
    );
    expect(await received(Buffer.concat([bytes, Buffer.from('x')]))).toBe('forged');
    expect(await received(Buffer.alloc(0))).toBe('malformed');
  });

  it('does not open with chunks lost, doubled, moved or cut away, even under a signature that holds', async () => {
    const bytes = await written(sample);
    const { preamble } = decodePreamble(bytes);
    const body = bytes.subarray(preamble.length, bytes.length - 64);
    const [a, b, rest] = [body.subarray(0, SEALED), body.subarray(SEALED, 2 * SEALED), body.subarray(2 * SEALED)];
    const made = (...parts: Buffer[]): Promise<unknown> => received(signedAnew(Buffer.concat([preamble, ...parts])));
    expect(await made(a, b, rest)).toEqual(digests(sample));
    for (const wrong of [[a, rest], [a, a, b, rest], [b, a, rest], [a, b], [a], [rest]])
      expect(await made(...wrong)).toBe('malformed');
  });

  it('does not open cut or put together anew between records, even under a signature that holds', async () => {
    const label = encodeRecord(page(1, Buffer.alloc(0)))[1] as Buffer;
    const aChunk = Buffer.alloc(BUNDLE_CHUNK_BYTES - 8 - label.length);
    const bytes = await written([page(1, aChunk), page(2, aChunk), page(3, aChunk)]);
    const { preamble } = decodePreamble(bytes);
    expect(bytes.length).toBe(preamble.length + 3 * SEALED + 64);
    const made = (...order: number[]): Promise<unknown> => {
      const chunks = order.map((no) => bytes.subarray(preamble.length + no * SEALED).subarray(0, SEALED));
      return received(signedAnew(Buffer.concat([preamble, ...chunks])));
    };
    expect(await made(0, 1, 2)).toHaveLength(3);
    for (const wrong of [
      [0, 1],
      [1, 0, 2],
      [0, 2],
      [0, 0, 1, 2],
    ])
      expect(await made(...wrong)).toBe('malformed');
  });

  it('does not open under another name: its clear part is part of its key', async () => {
    const bytes = await written(sample);
    const { header, preamble } = decodePreamble(bytes);
    const body = bytes.subarray(preamble.length, bytes.length - 64);
    const renamed = encodePreamble({ ...header, box: uuid(9) });
    expect(await received(signedAnew(Buffer.concat([renamed, body])))).toBe('malformed');
  });

  it('is proved by the key that the receiver holds, and opened by the one that it was sealed to', async () => {
    const bytes = await written(sample);
    expect(await received(bytes, { ...keys, signedBy: rawPublicKey(stranger) })).toBe('forged');
    expect(await received(bytes, { ...keys, sealingKey: other })).toBe('sealed-to-another');
  });

  it('shows nothing of what it carries, and never the same bytes twice', async () => {
    const secret = page(1, Buffer.from('a sale of 24.99 to Thandi'.repeat(10)));
    const [once, again] = [await written([secret]), await written([secret])];
    expect(once.includes('Thandi')).toBe(false);
    expect(once.equals(again)).toBe(false);
  });

  it('holds as many records as fit, in their order, and says that it was cut', async () => {
    const ends: BundleEnd[] = [];
    const records = [1, 2, 3, 4].map((no) => page(no, Buffer.alloc(BUNDLE_CHUNK_BYTES, no)));
    const bytesMax = 3 * SEALED;
    const bytes = await written(records, { bytesMax, onEnd: (end) => ends.push(end) });
    expect(await received(bytes)).toEqual(digests(records.slice(0, 2)));
    expect(ends).toEqual([{ records: 2, isCut: true }]);
    expect(bytes.length).toBeLessThanOrEqual(bytesMax);
  });
});

describe('the records of a bundle', () => {
  it('are found however their bytes come in pieces', () => {
    fc.assert(
      fc.property(someRecords, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }), (records, pieces) => {
        const plain = Buffer.concat(records.flatMap((record) => encodeRecord(record)));
        const finder = new RecordFinder();
        for (let [at, no] = [0, 0]; at < plain.length; no += 1) {
          const next = at + (pieces[no % pieces.length] as number);
          finder.add(plain.subarray(at, next));
          at = next;
        }
        const found = finder.end().map(({ label, bodyAt, bodyBytes }) => {
          return { label, body: plain.subarray(bodyAt, bodyAt + bodyBytes) };
        });
        expect(digests(found)).toEqual(digests(records));
      }),
      { numRuns: 100 },
    );
  });

  it('of a kind that is not known are passed over', async () => {
    const unknown = { label: { kind: 'dream', encoding: 'br' }, body: Buffer.from('zzz') } as unknown as BundleRecord;
    expect(await received(await written([unknown, ...sample]))).toEqual(digests(sample));
  });

  it('are refused when one is larger than allowed, not whole, or says nothing', () => {
    const lengths = (label: number, body: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(label, 0);
      bytes.writeUInt32BE(body, 4);
      return bytes;
    };
    const ended = (plain: Buffer) => (): unknown => {
      const finder = new RecordFinder();
      finder.add(plain);
      return finder.end();
    };
    for (const wrong of [
      lengths(3_000, 1),
      lengths(10, 0xffff_ffff),
      lengths(2, 5),
      Buffer.concat([lengths(2, 5), Buffer.from('{}abcd')]),
      Buffer.concat([lengths(2, 0), Buffer.from('{{')]),
      Buffer.from('abc'),
    ])
      expect(ended(wrong)).toThrow(BadBundle);
  });

  it('inflate to what is allowed and no more', async () => {
    const bomb = await brotliJson('0'.repeat(70 * 1024 * 1024));
    const bytes = await written([page(1, bomb)]);
    writeFileSync(join(folder, 'bomb'), bytes);
    const file = await BundleFile.open(join(folder, 'bomb'));
    const [place] = await file.prove(keys);
    await expect(file.readJson(place!)).rejects.toThrow(BadBundle);
    await file.close();
  });
});

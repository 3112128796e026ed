import { randomBytes } from 'node:crypto';
import { brotliCompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import type { ReceivedLine } from '@branchline/replication/push.js';
import { CHUNK_LINES_MAX, DamagedChunk, packLines, unpackChunk, type JournalChunk } from './journal-chunk.js';

function chained(texts: readonly Buffer[]): ReceivedLine[] {
  let hash = GENESIS_HASH;
  return texts.map((bytes) => ({ bytes, hash: (hash = chainHash(hash, bytes)) }));
}

const short = (count: number): ReceivedLine[] =>
  chained(Array.from({ length: count }, (_, at) => Buffer.from(`{"seq":${at},"what":"a sale of milk and bread"}`)));

async function unpacked(chunks: readonly JournalChunk[]) {
  const lines = [];
  for (const chunk of chunks) lines.push(...(await unpackChunk(chunk)));
  return lines;
}

describe('a chunk of the archive', () => {
  it.each([
    ['a line', short(1)],
    ['lines', short(40)],
    ['lines that are empty', chained([Buffer.alloc(0), Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(0)])],
    ['lines that are no text', chained([Buffer.from([0, 255, 254, 13]), Buffer.from([0xc3, 0x28])])],
  ])('gives back %s as they came, with their hashes', async (_what, lines) => {
    const chunks = await packLines(lines, 7);
    expect(chunks).toHaveLength(1);
    expect(await unpacked(chunks)).toEqual(lines.map((line, at) => ({ seq: 7 + at, ...line })));
  });

  it('is one of several where lines are many or long, end to end, and a line longer than any chunk lies alone', async () => {
    const long = randomBytes(300 * 1024).toString('base64');
    const lines = [
      ...short(CHUNK_LINES_MAX + 1),
      ...chained([Buffer.from(long), ...short(3).map(({ bytes }) => bytes)]),
    ];
    const chunks = await packLines(lines, 1);
    expect(chunks.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([
      [1, 500],
      [501, 501],
      [502, 502],
      [503, 505],
    ]);
    expect((await unpacked(chunks)).every(({ bytes }, at) => lines[at]?.bytes.equals(bytes))).toBe(true);
  });

  it('takes a fifth of what its lines take that are alike', async () => {
    const [chunk] = await packLines(short(100), 1);
    expect(chunk?.body.length).toBeLessThan((chunk?.bodyBytes ?? 0) / 5);
  });

  it('of no lines is none', async () => {
    expect(await packLines([], 1)).toEqual([]);
  });

  const damages: [string, (chunk: JournalChunk) => Partial<JournalChunk>, RegExp][] = [
    ['cut short', ({ body }) => ({ body: body.subarray(0, -3) }), /./],
    [
      'followed by more',
      ({ body }) => ({ body: Buffer.concat([body, Buffer.from('more')]) }),
      /4 bytes behind its end/,
    ],
    ['no brotli', () => ({ body: Buffer.from('neither') }), /./],
    ['longer than it says', ({ bodyBytes }) => ({ bodyBytes: bodyBytes - 1 }), /./],
    ['shorter than it says', ({ bodyBytes }) => ({ bodyBytes: bodyBytes + 1 }), /bytes where .* are told/],
    ['said to be larger than any push', () => ({ bodyBytes: 2 ** 31 - 1 }), /2147483647 bytes are told/],
    ['of fewer lines than it says', () => ({ firstSeq: 0, hashes: Buffer.alloc(6 * 32) }), /5 lines where 6 are told/],
    [
      'without the hash of a line',
      ({ hashes }) => ({ hashes: hashes.subarray(32) }),
      /128 bytes of hashes for 5 lines/,
    ],
    ['without its last end', () => ({ bodyBytes: 3, body: brotliCompressSync('a\nb') }), /no end/],
  ];
  it.each(damages)('that is %s is named so', async (_what, damage, message) => {
    const [chunk] = (await packLines(short(5), 1)) as [JournalChunk];
    const reading = unpackChunk({ ...chunk, ...damage(chunk) });
    await expect(reading).rejects.toBeInstanceOf(DamagedChunk);
    await expect(reading).rejects.toThrow(message);
  });
});

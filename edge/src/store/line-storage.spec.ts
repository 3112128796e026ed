import { describe, expect, it } from '@jest/globals';
import { sha256Hex } from '@branchline/replication/chain.js';
import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { PUSH_DECOMPRESSED_BYTES_MAX } from '@branchline/replication/push.js';
import fc from 'fast-check';
import { crc32, deflateRawSync } from 'node:zlib';
import { LINE_DICTIONARY_1 } from './line-dictionary.js';
import { DamagedLine, packLine, unpackLine } from './line-storage.js';

const saleLine = Buffer.from(
  JSON.stringify({
    seq: 24017,
    kind: 'sale',
    key: '01a1fdd4-039a-70c5-a1f3-abf66ac2bf9f',
    refs: ['shift:01a1fdd3-a44d-75d4-8074-c4337849621d'],
    contract: 1,
    at: 1795259895877,
    hlc: '01a1fdd41045-0001',
    actor: 'mia',
    device: '01a1fdd3-a29e-73d4-8cb8-1327b78e33b8',
    contentHash: '494e773fe4dfe8dc3e8c8dcbf4a18352cd1c671e2fcc375d44bb6287138df6f5',
    body: {
      id: '01a1fdd4-039a-70c5-a1f3-abf66ac2bf9f',
      receiptNumber: 'B001-T7-1-003000',
      lines: ['PASTA-500', 'MILK-2L', 'CREAM-300', 'EGGS-12', 'CHEDDAR-500'].map((product, at) => ({
        lineNo: at + 1,
        product,
        name: `${product} of some kind`,
        quantityMilli: 1000 * (at + 1),
        price: { minor: 150 + at, per: 1 },
        priceSource: 'book',
        priceEntry: `${product}/-`,
        amountMinor: (150 + at) * (at + 1),
        modifiers: [],
        netMinor: (150 + at) * (at + 1),
        taxMinor: 0,
        totalMinor: (150 + at) * (at + 1),
        taxes: [],
      })),
    },
  }),
);

function isDamaged(stored: Buffer): boolean {
  try {
    unpackLine(stored, 77);
    return false;
  } catch (error) {
    return error instanceof DamagedLine;
  }
}

describe('a line in the journal', () => {
  it('comes back as the very bytes that were hashed, whatever they say', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (value) => {
        const bytes = Buffer.from(JSON.stringify(value));
        expect(unpackLine(packLine(bytes), 1).equals(bytes)).toBe(true);
      }),
    );
    const longest = Buffer.from(JSON.stringify({ text: 'x'.repeat(LINE_BYTES_MAX - 11) }));
    expect(longest).toHaveLength(LINE_BYTES_MAX);
    expect(unpackLine(packLine(longest), 1).equals(longest)).toBe(true);
  });

  it('takes a third of what it says', () => {
    expect(packLine(saleLine).length).toBeLessThan(saleLine.length / 3);
  });

  it('lies there as it is where nothing is gained, and is read from files of before', () => {
    const bytes = Buffer.from('{"ü":1}');
    expect(packLine(bytes)).toBe(bytes);
    expect(unpackLine(saleLine, 1)).toBe(saleLine);
  });

  it('does not hide a single flipped bit', () => {
    const stored = packLine(saleLine);
    const unnoticed = Array.from({ length: stored.length * 8 }, (_, bit) => bit).filter((bit) => {
      const flipped = Buffer.from(stored);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return !isDamaged(flipped);
    });
    expect(unnoticed).toEqual([]);
    expect(() => unpackLine(stored.subarray(0, -1), 77)).toThrow('the journal is damaged at position 77');
    expect(() => unpackLine(Buffer.alloc(0), 77)).toThrow('the journal is damaged at position 77');
  });

  it('is not inflated to more than a page of lines may be', () => {
    const bomb = deflateRawSync(Buffer.alloc(PUSH_DECOMPRESSED_BYTES_MAX + 1, 0x7b), {
      windowBits: 12,
      dictionary: LINE_DICTIONARY_1,
    });
    const head = Buffer.alloc(5, 1);
    head.writeUInt32BE(crc32(bomb), 1);
    expect(() => unpackLine(Buffer.concat([head, bomb]), 5)).toThrow('damaged at position 5');
  });

  /* Lines written with other bytes could not be read any more: a better dictionary is a second one. */
  it('is written with the dictionary of always', () => {
    expect(sha256Hex(LINE_DICTIONARY_1)).toBe('cf15562e0f4fb94a7a132a1b1f8365589811527249cbdf1fb56d3751d4a5b3a5');
  });
});

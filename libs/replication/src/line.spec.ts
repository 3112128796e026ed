import { describe, expect, it } from '@jest/globals';
import { chainHash, GENESIS_HASH } from './chain.js';
import { contentHash } from './content-hash.js';
import { nextHlc } from './hlc.js';
import { decodeLine, encodeLine, MalformedLine, type JournalLine } from './line.js';

const LINE: JournalLine = {
  seq: 2,
  kind: 'shift-open',
  key: '0193a8f0-0000-7000-8000-000000000001',
  refs: [],
  contract: 1,
  at: 1_790_000_000_000,
  hlc: '01a0c5f61000-0000',
  actor: 'anna',
  device: null,
  contentHash: 'ab'.repeat(32),
  body: { id: '0193a8f0-0000-7000-8000-000000000001', till: 'T1' },
};

describe('a journal line', () => {
  it('has the same bytes and the same chain hash for ever: archives of today are checked by tomorrow’s code', () => {
    const bytes = encodeLine(LINE);
    expect(bytes.toString('utf8')).toBe(
      '{"seq":2,"kind":"shift-open","key":"0193a8f0-0000-7000-8000-000000000001","refs":[],"contract":1,' +
        '"at":1790000000000,"hlc":"01a0c5f61000-0000","actor":"anna","device":null,' +
        `"contentHash":"${'ab'.repeat(32)}","body":{"id":"0193a8f0-0000-7000-8000-000000000001","till":"T1"}}`,
    );
    expect(chainHash(GENESIS_HASH, bytes).toString('hex')).toBe(
      'bd9fdb021a18927d2e4e3a7b160d3304b508cb5d21369ae4ba4dde4b9921d685', // computed by another program
    );
  });

  it('keeps fields that this version does not know', () => {
    const newer = Buffer.from(JSON.stringify({ ...LINE, weather: 'rain', body: { ...LINE.body, mood: 'good' } }));
    expect(decodeLine(newer)).toMatchObject({ weather: 'rain', body: { mood: 'good' } });
  });

  it.each([
    ['no JSON', '{"seq":1'],
    ['seq 0', JSON.stringify({ ...LINE, seq: 0 })],
    ['a kind with capitals', JSON.stringify({ ...LINE, kind: 'Sale' })],
    ['no content hash', JSON.stringify({ ...LINE, contentHash: undefined })],
    ['a body that is a list', JSON.stringify({ ...LINE, body: [] })],
  ])('is refused with %s', (_what, text) => {
    expect(() => decodeLine(text)).toThrow(MalformedLine);
  });
});

describe('the content hash', () => {
  it('knows the same fact again, whatever the order of its members and the number it was printed with', () => {
    const fact = { id: 'x', lines: [{ lineNo: 1, quantity: 0.5 }] };
    expect(contentHash({ lines: [{ quantity: 0.5, lineNo: 1 }], receiptNumber: 'B1-T1-1-000009', id: 'x' })).toBe(
      contentHash(fact),
    );
    expect(contentHash({ ...fact, id: 'y' })).not.toBe(contentHash(fact));
  });
});

describe('the hybrid logical clock', () => {
  it('goes on when the wall clock stands or runs back, and sorts as text', () => {
    const times = [1_000, 1_000, 400, 1_001, 7];
    const stamps: string[] = [];
    for (const now of times) stamps.push(nextHlc(stamps.at(-1) ?? null, now));
    expect([...stamps].sort()).toEqual(stamps);
    expect(new Set(stamps).size).toBe(times.length);
  });

  it('borrows from the next millisecond when one is full', () => {
    expect(nextHlc('0000000003e8-ffff', 1_000)).toBe('0000000003e9-0000');
  });
});

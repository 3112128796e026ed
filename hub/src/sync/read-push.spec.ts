import { describe, expect, it } from '@jest/globals';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { encodeLine, LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { MalformedPush, type ReceivedPush } from '@branchline/replication/push.js';
import { v7 } from 'uuid';
import { toOtherWork } from '../database/give-way.js';
import { readPush } from './read-push.js';

/** A push of so many bytes, of lines that say this besides. */
function pushOf(bytesMin: number, more: unknown): ReceivedPush {
  const [incarnation, contentHash] = [v7(), '0'.repeat(64)];
  const lines: ReceivedPush['lines'] = [];
  let [previous, bytesSoFar] = [GENESIS_HASH as Buffer, 0];
  while (bytesSoFar < bytesMin) {
    const seq = lines.length + 1;
    const told = {
      seq,
      kind: 'later',
      key: 'x',
      refs: [],
      contract: 1,
      at: 1,
      hlc: '000000000001-0000',
      actor: 'a',
      device: null,
    };
    const bytes = encodeLine({ ...told, contentHash, body: { more } });
    previous = chainHash(previous, bytes);
    lines.push({ bytes, hash: previous });
    bytesSoFar += bytes.length;
  }
  const [previousHash, headHash] = [GENESIS_HASH.toString('hex'), previous.toString('hex')];
  const header = { protocol: 1, incarnation, fromSeq: 1, count: lines.length, previousHash, headHash, signature: '' };
  return { header, lines };
}

const MEBIBYTE = 1024 * 1024;
const manyValues = Array.from({ length: 80_000 }, () => ({}));

describe('a push in NDJSON', () => {
  it('of more values than memory is meant for is refused, though its bytes are few enough', async () => {
    const reading = readPush(pushOf(10 * MEBIBYTE, manyValues), toOtherWork);
    await expect(reading).rejects.toBeInstanceOf(MalformedPush);
    await expect(reading).rejects.toThrow('values');
  });

  it.each([
    ['of as many bytes and few values', pushOf(10 * MEBIBYTE, 'x'.repeat(200_000))],
    ['of as many values in as many bytes as an edge sends', pushOf(7 * MEBIBYTE, manyValues)],
    ['of lines too long to be read', pushOf(1, ','.repeat(9 * MEBIBYTE))],
  ])('%s is read', async (_what, push) => {
    const { readings } = await readPush(push, toOtherWork);
    const isLong = (push.lines[0]?.bytes.length ?? 0) > LINE_BYTES_MAX;
    const codes = readings.map((reading) => 'setAside' in reading && reading.setAside.code);
    expect(codes).toEqual(readings.map(() => (isLong ? 'line-too-large' : 'unknown-kind')));
  });
});

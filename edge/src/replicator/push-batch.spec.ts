import { describe, expect, it } from '@jest/globals';
import { judgeAnswer, restAfter } from './push-batch.js';
import { queueLength, streamToPush, type Stream } from './push-state.js';

const BATCH = { incarnationNo: 1, incarnation: 'i', fromSeq: 11, lastSeq: 20 };
const hashOf = (seq: number): string | null => (seq <= 25 ? `hash-${seq}` : null);
const answer = (appliedSeq: number, headHash = `hash-${appliedSeq}`) => {
  return { appliedSeq, headHash, durableSeq: 5, quarantined: [], directives: [] };
};

describe('an answer to lines 11 to 20', () => {
  it.each([
    ['all of them', answer(20), { kind: 'advanced', appliedSeq: 20, durableSeq: 5 }],
    ['some of them', answer(14), { kind: 'advanced', appliedSeq: 14, durableSeq: 5 }],
    ['none of them', answer(10), { kind: 'unclear' }],
    ['fewer than before', answer(3), { kind: 'unclear' }],
    ['more than was sent', answer(21), { kind: 'unclear' }],
    ['lines that do not exist', answer(99), { kind: 'unclear' }],
    ['other lines of that number', answer(20, 'hash-of-others'), { kind: 'unclear' }],
  ])('that names %s', (_what, given, expected) => {
    expect(judgeAnswer(BATCH, given, hashOf)).toEqual(expected);
  });
});

describe('the stream to push', () => {
  const stream = (incarnationNo: number, appliedSeq: number, lastSeq: number): Stream => {
    return { incarnationNo, incarnation: `i${incarnationNo}`, box: 'B', appliedSeq, lastSeq };
  };

  it.each<[string, Stream[], number | null, number]>([
    ['the oldest with lines the hub lacks', [stream(1, 5, 5), stream(2, 3, 9), stream(3, 0, 4)], 2, 10],
    ['the head when all before is there', [stream(1, 5, 5), stream(3, 0, 4)], 3, 4],
    ['none when all is there', [stream(1, 5, 5)], null, 0],
    ['none where nothing was journalled', [], null, 0],
  ])('is %s', (_what, streams, expected, queue) => {
    expect(streamToPush(streams)?.incarnationNo ?? null).toBe(expected);
    expect(queueLength(streams)).toBe(queue);
  });
});

describe('what is left after a batch', () => {
  const stream = { incarnationNo: 1, incarnation: 'x', lastSeq: 10, appliedSeq: 4 } as Stream;

  it('is the stream from there on', () => {
    expect(restAfter({ lastSeq: 7 }, stream)).toEqual({ ...stream, appliedSeq: 7 });
  });

  it('is nothing at its end, and beyond it: lines were written while the batch was packed', () => {
    expect([restAfter({ lastSeq: 10 }, stream), restAfter({ lastSeq: 11 }, stream)]).toEqual([null, null]);
  });
});

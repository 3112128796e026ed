import { describe, expect, it } from '@jest/globals';
import { LineFailure, refusalOf, retryAfterMs } from './hub-failure.js';
import { troubleOf } from './trouble.js';

const NOW_MS = Date.parse('2026-11-20T14:00:00Z');

describe('Retry-After', () => {
  it.each([
    ['30', 30_000],
    ['0', 0],
    ['Fri, 20 Nov 2026 14:01:00 GMT', 60_000],
    ['Fri, 20 Nov 2026 13:00:00 GMT', 0],
    ['999999', 3_600_000],
    ['soon', null],
    [undefined, null],
  ])('%s', (header, expected) => {
    expect(retryAfterMs(header, NOW_MS)).toBe(expected);
  });
});

describe('a refusal', () => {
  it('keeps the code, the reason and what the hub adds', () => {
    const body = Buffer.from(
      '{"type":"t","title":"T","status":409,"code":"seq-gap","detail":"Line 5 is next.","appliedSeq":4}',
    );
    expect(refusalOf({ status: 409, retryAfter: undefined, body }, NOW_MS)).toMatchObject({
      ...{ status: 409, code: 'seq-gap', detail: 'Line 5 is next.', retryAfterMs: null },
      extension: { appliedSeq: 4 },
    });
  });

  it.each(['<html>Sign in to the Wi-Fi</html>', '', 'null', '[1]'])(
    'of somebody who is no hub is known by its status: %s',
    (text) => {
      expect(refusalOf({ status: 511, retryAfter: undefined, body: Buffer.from(text) }, NOW_MS).code).toBe(
        'status-511',
      );
    },
  );
});

describe('trouble', () => {
  const refused = (status: number, code: string) =>
    refusalOf({ status, retryAfter: undefined, body: Buffer.from(JSON.stringify({ code })) }, NOW_MS);

  it.each([
    [
      'a line that is down',
      new LineFailure('ECONNREFUSED'),
      { line: 'down', halt: false, hello: true, level: 'warning', event: 'line-down' },
    ],
    ['a revoked box', refused(403, 'box-revoked'), { line: 'up', halt: true, level: 'incident' }],
    ['a gap', refused(409, 'seq-gap'), { line: 'up', halt: false, hello: true, level: 'warning' }],
    ['a malformed push', refused(400, 'malformed-push'), { halt: false, level: 'incident' }],
    ['another protocol', refused(426, 'protocol'), { halt: false, level: 'incident' }],
    ['a busy hub', refused(503, 'busy'), { halt: false, hello: false, level: 'warning' }],
    ['a bug of ours', new TypeError('x is not a function'), { halt: false, level: 'incident', event: 'bug' }],
  ])('%s', (_what, error, expected) => {
    expect(troubleOf(error)).toMatchObject(expected);
  });
});

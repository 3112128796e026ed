import { describe, expect, it } from '@jest/globals';
import { Problem, problemBody } from '@branchline/http/problem.js';
import { PROTOCOL_HEADER, SPOKEN, spokenUpTo } from '@branchline/replication/protocol.js';
import { assertSpoken, spokenIn } from './spoken.js';

const refused = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Problem) return problemBody(error);
    throw error;
  }
};

describe('a hub whose newest protocol is the fourth', () => {
  const spoken = spokenUpTo(4);

  it.each([2, 3, 4])('takes what is in protocol %i', (protocol) => {
    expect(() => assertSpoken(protocol, spoken)).not.toThrow();
    expect(spokenIn({ headers: { [PROTOCOL_HEADER]: String(protocol) } }, spoken)).toBe(protocol);
  });

  it.each([1, 5, 999_999_999])('refuses protocol %i, and says what it speaks', (protocol) => {
    const expected = {
      status: 426,
      code: 'protocol',
      detail: `This hub speaks protocol 2 to 4, the box ${protocol}.`,
      spoken: [2, 4],
    };
    expect(refused(() => assertSpoken(protocol, spoken))).toMatchObject(expected);
    const request = { headers: { [PROTOCOL_HEADER]: String(protocol) } };
    expect(refused(() => spokenIn(request, spoken))).toMatchObject(expected);
  });

  it('takes a box that says nothing of it for one of the first, which it does not speak any more', () => {
    expect(refused(() => spokenIn({ headers: {} }, spoken))).toMatchObject({ status: 426, spoken: [2, 4] });
    expect(spokenIn({ headers: {} }, SPOKEN)).toBe(1);
  });

  it('refuses what is no number of a protocol', () => {
    expect(refused(() => spokenIn({ headers: { [PROTOCOL_HEADER]: 'two' } }, spoken))).toMatchObject({
      code: 'invalid-field',
    });
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NUDGE_BEAT, NotNudges, NudgeReader, encodeNudge } from './nudge.js';

describe('a stream of nudges', () => {
  it('is read the same, wherever the line cuts it into pieces', () => {
    const part = fc.constantFrom(
      NUDGE_BEAT,
      encodeNudge('pull'),
      'event: later\r\ndata: x\r\n\r\n',
      'event: pull\r\n\r\n',
    );
    fc.assert(
      fc.property(fc.array(part), fc.array(fc.nat(40)), (parts, cuts) => {
        const reader = new NudgeReader();
        let rest = Buffer.from(parts.join(''));
        const read = cuts.flatMap((cut) => {
          const events = reader.read(rest.subarray(0, cut));
          rest = rest.subarray(cut);
          return events;
        });
        read.push(...reader.read(rest));
        expect(read).toEqual(parts.filter((each) => each.startsWith('event: pull')).map(() => 'pull'));
      }),
    );
  });

  it('passes over events that a later hub may send, and whatever their data say', () => {
    const reader = new NudgeReader();
    expect(reader.read(Buffer.from('event: push\ndata: event: pull\n\nid: 7\nretry: 10\ndata: pull\n\n'))).toEqual([]);
    expect(reader.read(Buffer.from('event: toString\n\nevent:pull\n\n'))).toEqual(['pull']);
  });

  it('is none when a line has no end', () => {
    expect(() => new NudgeReader().read(Buffer.alloc(2_000, 0x61))).toThrow(NotNudges);
  });
});

import { describe, expect, it } from '@jest/globals';
import type { BranchToday, TrialBranch } from './answers.js';
import { amountWords, knownWords, lineWords, meetingOf, proofWords, totalWords, verificationWords } from './words.js';

const AS_OF = '2026-11-20T12:00:10.000Z';
const HASH = '3fa9c1d2'.padEnd(64, '0');

function branch(other: Partial<BranchToday> = {}): BranchToday {
  return {
    branch: 'B001',
    name: 'Newtown',
    region: 'NSW',
    timeZone: 'Australia/Sydney',
    currency: 'AUD',
    businessDate: '2026-11-20',
    firstHour: 4,
    line: 'heard',
    lastContactAt: '2026-11-20T12:00:08.000Z',
    baskets: 10,
    totalMinor: 12_345,
    hours: [],
    complete: false,
    final: false,
    knownTo: { seq: 4_711, at: AS_OF },
    headHash: HASH,
    missing: 0,
    quarantined: 0,
    provedTo: null,
    lastVerification: null,
    mayVerify: true,
    ...other,
  };
}

function trial(other: Partial<TrialBranch> = {}): TrialBranch {
  return {
    branch: 'B001',
    line: 'up',
    box: 'up',
    tillBaskets: 10,
    tillTotalMinor: 12_345,
    currency: 'AUD',
    businessDate: '2026-11-20',
    queue: 0,
    headSeq: 4_711,
    headHash: HASH,
    mayAct: true,
    ...other,
  };
}

describe('a line', () => {
  const cases: [string, Partial<BranchToday>, Partial<TrialBranch> | undefined, string, string][] = [
    ['that is heard', {}, undefined, 'good', 'line up'],
    ['that is silent', { line: 'silent' }, undefined, 'bad', 'line down'],
    ['of a store without a box', { line: 'never', lastContactAt: null }, undefined, 'idle', 'no box yet'],
    ['that a trial has cut, before anybody missed it', {}, { line: 'down' }, 'bad', 'line cut'],
    ['of a box that a trial has killed', {}, { box: 'down', line: 'down' }, 'bad', 'box down'],
    [
      'that is not shown',
      { line: null, lastContactAt: null, quarantined: null },
      undefined,
      'idle',
      'not shown to you',
    ],
    ['of a trial that is only slow', { line: 'silent' }, {}, 'good', 'line up'],
  ];
  it.each(cases)('%s', (_what, of, inTrial, tone, title) => {
    expect(lineWords(branch(of), inTrial && trial(inTrial), AS_OF)).toMatchObject({ tone, title });
  });

  it('says how long ago it was heard by the hub’s clock, whatever ours says', () => {
    expect(lineWords(branch(), undefined, AS_OF).detail).toBe('heard 2 s ago');
    expect(lineWords(branch({ lastContactAt: null }), undefined, AS_OF).detail).toBe('never heard');
  });
});

describe('what is known of a branch', () => {
  const cases: [string, Partial<BranchToday>, Partial<TrialBranch> | undefined, string, string, string][] = [
    ['an open day, all here', {}, undefined, 'good', 'complete up to #4,711', 'the day is open'],
    [
      'a closed day',
      { complete: true, final: true },
      undefined,
      'good',
      'complete and final, #4,711',
      'the day is closed',
    ],
    [
      'a closed day with a line set aside',
      { complete: true, quarantined: 1 },
      undefined,
      'bad',
      'complete up to #4,711, not final',
      '1 line set aside in quarantine',
    ],
    ['a branch never heard of', { knownTo: null }, undefined, 'idle', 'nothing known', 'no box has called yet'],
    [
      'lines set aside',
      { quarantined: 2 },
      undefined,
      'bad',
      'incomplete up to #4,711',
      '2 lines set aside in quarantine',
    ],
    ['a backlog', { missing: 300 }, undefined, 'busy', 'incomplete after #4,711', '300 lines on their way'],
    ['a few lines on their way', {}, { queue: 2 }, 'good', 'complete up to #4,711', 'the day is open'],
    [
      'a closed day of a store that is away',
      { line: 'silent', complete: true, final: true },
      undefined,
      'good',
      'complete and final, #4,711',
      'the day is closed',
    ],
  ];
  it.each(cases)('%s', (_what, of, inTrial, tone, title, detail) => {
    expect(knownWords(branch(of), inTrial && trial(inTrial))).toEqual({ tone, title, detail });
  });

  it('is incomplete while the line is down, since when and how much, as far as that is known', () => {
    const silent = knownWords(branch({ line: 'silent', missing: 3 }), undefined);
    expect([silent.tone, silent.title]).toEqual(['bad', 'incomplete after #4,711']);
    expect(silent.detail).toMatch(/^the line is down, last heard \d\d:\d\d:08 · 3 lines wait in the store$/);
    expect(knownWords(branch(), trial({ line: 'down', queue: 0 })).detail).toMatch(
      /^the line is down, last heard [\d:]+$/,
    );
    expect(knownWords(branch(), trial({ box: 'down', queue: null })).detail).toMatch(/^its box is down, last heard/);
  });
});

describe('the store’s figure and head office’s', () => {
  const cases: [string, Partial<TrialBranch>, string, string][] = [
    ['are equal', {}, 'good', '= the store’s own'],
    ['are two days', { businessDate: '2026-11-21' }, 'idle', 'a new day begins'],
    [
      'are a sale apart, which is on its way',
      { tillBaskets: 11, tillTotalMinor: 12_445 },
      'busy',
      '1 sale, A$1.00 not here yet',
    ],
    [
      'are a sale apart, and the line is cut',
      { tillBaskets: 11, tillTotalMinor: 12_445, line: 'down' },
      'bad',
      '1 sale, A$1.00 not here yet',
    ],
    ['were read while a sale arrived', { tillBaskets: 9, tillTotalMinor: 12_000 }, 'busy', 'just arriving'],
    ['know of no sale by a visitor', { tillBaskets: 9, tillTotalMinor: 12_000 }, 'idle', '1 sale of other tills'],
    ['differ though both have the same lines', { tillTotalMinor: 12_346 }, 'bad', 'differs by A$0.01'],
  ];
  it.each(cases)('%s', (_what, inTrial, tone, text) => {
    const busy = tone === 'busy' ? { queue: 1 } : {};
    expect(meetingOf(branch(), trial({ ...inTrial, ...busy }))).toEqual({ tone, text });
  });
});

describe('an amount that no number can keep exactly', () => {
  it('is told as unknown, and compared with nothing', () => {
    expect(amountWords(null, 'AUD')).toBe('AUD unknown: beyond all exact numbers');
    expect(amountWords(0, 'AUD')).toBe('A$0.00');
    const { tone, text } = meetingOf(branch({ totalMinor: null }), trial());
    expect([tone, text]).toEqual(['bad', 'cannot be compared with the store’s own']);
  });
});

describe('a branch whose fleet one may not read', () => {
  it('is said neither to be complete nor to be unproved or never heard of', () => {
    const untold = branch({ quarantined: null, lastContactAt: null, missing: null, headHash: null });
    expect(lineWords(untold, undefined, AS_OF)).toEqual({ tone: 'good', title: 'line up', detail: '' });
    expect(knownWords(untold, undefined)).toMatchObject({ tone: 'idle', title: 'known up to #4,711' });
    expect(proofWords(untold)).toEqual({ tone: 'idle', title: 'not shown to you', detail: '' });
  });
});

describe('the consolidated total', () => {
  const store = (name: string, tone: 'good' | 'bad' | 'busy' | 'idle') => ({
    name,
    said: { tone, title: '', detail: '' },
  });

  it('is complete only when every store is', () => {
    const good = ['A', 'B', 'C'].map((name) => store(name, 'good'));
    expect(totalWords(good, 0)).toEqual({ tone: 'good', text: 'complete: yes · every line of 3 stores is here' });
    expect(totalWords([...good, store('D', 'bad')], 0).text).toBe('complete: no · waiting for D');
    expect(totalWords([store('D', 'idle')], 0).tone).toBe('bad');
    const many = ['D', 'E', 'F', 'G', 'H'].map((name) => store(name, 'bad'));
    expect(totalWords(many, 0).text).toBe('complete: no · waiting for D, E, F and 2 others');
  });

  it('does not speak for stores that are not shown, nor for a backlog that is under way', () => {
    expect(totalWords([store('A', 'good')], 7)).toMatchObject({
      tone: 'idle',
      text: 'complete for the 1 store shown',
    });
    expect(totalWords([store('A', 'busy')], 0)).toEqual({ tone: 'busy', text: 'complete: no · waiting for A' });
  });
});

describe('proof', () => {
  it('says up to where a branch is proved, and what the last verification found', () => {
    const provedTo = { seq: 4_700, hash: HASH, at: AS_OF };
    expect(proofWords(branch())).toEqual({ tone: 'idle', title: 'nothing proved yet', detail: '' });
    expect(proofWords(branch({ provedTo }))).toEqual({ tone: 'good', title: 'proved up to #4,700', detail: '' });
    const lastVerification = { at: AS_OF, outcome: 'differs', seq: 4_700 } as const;
    expect(proofWords(branch({ provedTo, lastVerification }))).toMatchObject({
      tone: 'bad',
      detail: expect.stringMatching(/^verified [\d:]+, differs$/),
    });
  });

  const verified = {
    branch: 'B001',
    at: AS_OF,
    outcome: 'equal' as const,
    streams: [
      { lines: 11, headSeq: 11, headHash: 'a'.repeat(64), signedByBox: true },
      { lines: 4_700, headSeq: 4_700, headHash: HASH, signedByBox: true },
    ],
    days: [{ businessDate: '2026-11-20', equal: true }],
    differences: [],
  };

  it('tells a verification in one line', () => {
    const { tone, title, detail } = verificationWords(verified);
    expect([tone, title.replace(/[\d:]{8}/, 'T')]).toEqual(['good', 'verified T: equal']);
    expect(detail).toBe(
      '4,711 lines, 1 day, head #4,700 3fa9c1d2, signed by the box. Recomputed from the archived lines: nothing differs.',
    );
  });

  it('names the first differences and how many more there are', () => {
    const differences = ['one', 'two', 'three', 'four', 'five'].map((detail) => ({ what: 'altered-row', detail }));
    const { tone, detail } = verificationWords({ ...verified, outcome: 'differs', differences });
    expect(tone).toBe('bad');
    expect(detail).toMatch(/altered-row: one altered-row: two altered-row: three And 2 more\.$/);
  });
});

import { describe, expect, it } from '@jest/globals';
import { LINE_SHAPES, type KindShapes } from '@branchline/replication/contracts.js';
import { encodeLine } from '@branchline/replication/line.js';
import { z } from 'zod';
import { readLine } from './read-line.js';

/** As a release two contracts on has it, had openings of a shift borne their float in whole units before. */
const OPENINGS: KindShapes = {
  since: 3,
  past: [
    {
      since: 1,
      schema: z.looseObject({ float: z.int() }),
      upcast: ({ float, ...body }) => ({ ...body, floatMinor: Number(float) * 100 }),
    },
  ],
};
const SHAPES = { ...LINE_SHAPES, 'shift-open': OPENINGS };

const ID = '00000000-0000-7000-8000-000000000001';
const TODAY = {
  ...{ id: ID, till: 'T1', drawer: 'D1', operator: 'ANNA', floatMinor: 300, currency: 'EUR' },
  ...{ openedAt: 1, businessDate: '2026-11-21' },
};
const { floatMinor: _minor, ...WITHOUT } = TODAY;

function read(contract: number, body: Record<string, unknown>, kind = 'shift-open') {
  const said = { at: 1, hlc: '000000000001-0000', actor: null, device: null, contentHash: '0'.repeat(64) };
  const bytes = encodeLine({ seq: 2, kind, key: ID, refs: [], contract, ...said, body });
  return readLine(bytes, 2, undefined, SHAPES);
}

describe('a line of a past contract', () => {
  it.each([1, 2])('%i is projected as if it had been written today', (contract) => {
    expect(read(contract, { ...WITHOUT, float: 3, flat: 7 })).toMatchObject({
      ready: { kind: 'shift-open', body: { ...TODAY, flat: 7 } },
    });
  });

  it('that is not what its contract says is set aside for people, with the contract named', () => {
    const setAside = { code: 'invalid-body', held: false, detail: expect.stringContaining('as of contract 1: float') };
    expect(read(1, { ...WITHOUT, float: 'three' })).toMatchObject({ setAside });
  });

  it('whose way does not lead to a sound body is set aside as well', () => {
    const { till: _till, ...lacking } = WITHOUT;
    expect(read(1, { ...lacking, float: 3 })).toMatchObject({ setAside: { code: 'invalid-body', held: false } });
  });
});

describe('a line of a contract', () => {
  it('that its kind bears today is read as it is', () => {
    expect(read(3, TODAY)).toMatchObject({ ready: { body: TODAY } });
  });

  it('to come is held where its own kind has changed, and taken where it has not', () => {
    const detail = 'shift-open of contract 4, known here up to 3';
    expect(read(4, TODAY)).toMatchObject({ setAside: { code: 'newer-contract', held: true, detail } });
    expect(read(2, TODAY, 'teleport')).toMatchObject({ setAside: { code: 'unknown-kind', held: true } });
  });
});

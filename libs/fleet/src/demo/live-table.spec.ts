import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { BranchView, ChainView, Places } from './chain-view.js';
import { renderScreen, type Screen } from './live-table.js';

const NEWTOWN: BranchView = {
  branch: 'B001',
  name: 'Newtown',
  clock: '22:23',
  line: 'up',
  box: 'up',
  sales: 1_234,
  takingsMinor: 4_567_890,
  queue: 0,
  lagMs: 0,
  provedTo: 4_711,
};
const FREMANTLE: BranchView = {
  ...NEWTOWN,
  branch: 'B002',
  name: 'Fremantle',
  clock: '19:23',
  line: 'down',
  queue: 41,
  lagMs: 12_340,
  provedTo: 700,
};
const GLENELG: BranchView = {
  ...NEWTOWN,
  branch: 'B003',
  name: 'Glenelg',
  clock: '21:53',
  box: 'down',
  queue: null,
  lagMs: null,
  provedTo: null,
};
const PLACES: Places = {
  // As long as it gets.
  open: `http://127.0.0.1:65535/#sign-in=bll_${'a'.repeat(43)}`,
  headOffice: { url: 'http://127.0.0.1:8400', email: 'office@example.com', password: 'secret' },
  stores: [],
  fleetFile: '/data/fleet.json',
  signInsFile: '/data/sign-ins.json',
};

const atMs = Date.parse('2026-11-21T11:23:48Z');
const viewOf = (...branches: BranchView[]): ChainView => {
  return { atMs, hub: 'up', currency: 'AUD', branches, headOffice: { baskets: 3_661, totalMinor: 13_690_105 } };
};
const screenOf = (view: ChainView): Screen => {
  return {
    places: PLACES,
    view,
    log: [
      { atMs, text: 'READY' },
      { atMs: atMs + 1_000, text: 'B002: line cut' },
    ],
  };
};
const plain = { columns: 80, rows: 30, hasColour: false };

describe('the live table', () => {
  it('shows every branch, what tills were told, what head office sees and lacks, what happened and where to go', () => {
    expect(renderScreen(screenOf(viewOf(NEWTOWN, FREMANTLE, GLENELG)), plain)).toEqual([
      'Branchline, the trial chain   11:23:48Z   hub up',
      'open, and be signed in:',
      PLACES.open,
      'sign-ins  /data/sign-ins.json',
      'fleet     /data/fleet.json',
      '',
      'branch             local  line  box   sales     takings  queue  lag s  proved to',
      'B001 Newtown       22:23  up    up     1234   45,678.90      0    0.0  #4711',
      'B002 Fremantle     19:23  cut   up     1234   45,678.90     41   12.3  #700',
      'B003 Glenelg       21:53  up    DOWN   1234   45,678.90      -      -  -',
      'tills were told                        3702  137,036.70  AUD',
      'head office sees                       3661  136,901.05  AUD  incomplete',
      'it lacks 41 lines of B002, what B003 cannot say',
      '',
      '11:23:48Z  READY',
      '11:23:49Z  B002: line cut',
      '',
      'Ctrl-C stops, the data stays',
    ]);
  });

  it('says complete when head office lacks nothing, on a line that stays where it is', () => {
    const lines = renderScreen(screenOf(viewOf(NEWTOWN)), plain);
    expect(lines[9]).toMatch(/ AUD {2}complete$/);
    expect(lines[10]).toBe('');
  });

  it('says nothing of head office before it was asked', () => {
    const lines = renderScreen(screenOf({ ...viewOf(NEWTOWN), hub: 'down', headOffice: null }), plain);
    expect(lines[0]).toMatch(/hub down$/);
    expect(lines.join('\n')).not.toContain('head office sees');
  });

  it('gives longer names the room that a wider terminal has', () => {
    const view = viewOf({ ...NEWTOWN, name: 'Kuranda Village Markets' });
    expect(renderScreen(screenOf(view), plain)[7]).toMatch(/^B001 Kuranda Vil… {2}22:23/);
    expect(renderScreen(screenOf(view), { ...plain, columns: 120 })[7]).toMatch(
      /^B001 Kuranda Village Markets {2}22:23/,
    );
  });

  it('drops the oldest messages first when the terminal is low', () => {
    const lines = renderScreen(screenOf(viewOf(NEWTOWN)), { ...plain, rows: 15 });
    expect(lines).toHaveLength(15);
    expect(lines.join('\n')).not.toContain('READY');
    expect(lines.at(-3)).toBe('11:23:49Z  B002: line cut');
    expect(lines.at(-1)).toBe('Ctrl-C stops, the data stays');
  });

  it('shows what is wrong in colour where there is colour, and no control character that is not its own', () => {
    const screen = { ...screenOf(viewOf(FREMANTLE)), log: [{ atMs, text: 'bell\u0007 and \u001b[2J' }] };
    const lines = renderScreen(screen, { ...plain, hasColour: true });
    expect(lines[7]).toContain('\u001b[1;31mcut \u001b[0m');
    expect(lines.at(-3)).toBe('\u001b[2m11:23:48Z  \u001b[0mbell  and  [2J');
  });

  it('is never wider or higher than the terminal, whatever is on it', () => {
    const branch = fc.record({
      branch: fc.stringMatching(/^[A-Z0-9]{1,12}$/),
      name: fc.string({ maxLength: 60 }),
      clock: fc.constant('12:00'),
      line: fc.constantFrom('up' as const, 'down' as const),
      box: fc.constantFrom('up' as const, 'down' as const),
      sales: fc.nat(),
      takingsMinor: fc.maxSafeNat(),
      queue: fc.option(fc.nat()),
      lagMs: fc.option(fc.maxSafeNat()),
      provedTo: fc.option(fc.nat()),
    });
    const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(branch, { maxLength: 32 }), size, (branches, { columns, rows }) => {
        const lines = renderScreen(screenOf(viewOf(...branches)), { columns, rows, hasColour: false });
        expect(lines.length).toBeLessThanOrEqual(rows);
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

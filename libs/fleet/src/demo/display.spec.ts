import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import type { ChainView, Places } from './chain-view.js';
import { LiveTable, plainLines } from './display.js';

const PLACES: Places = {
  open: 'http://127.0.0.1:8400',
  headOffice: { url: 'http://127.0.0.1:8400', email: 'office@example.com', password: 'secret' },
  stores: [
    {
      branch: 'B001',
      name: 'Newtown',
      url: 'http://127.0.0.1:8401',
      operators: [{ operator: 'mia', role: 'cashier', pin: '123456' }],
    },
  ],
  fleetFile: '/data/fleet.json',
  signInsFile: '/data/sign-ins.json',
};
const viewAt = (atMs: number): ChainView => {
  return { atMs, hub: 'up', currency: 'AUD', branches: [], headOffice: null };
};

let written: string;
const write = (text: string): void => void (written += text);
beforeEach(() => {
  written = '';
});

describe('plain lines', () => {
  it('tell where everything is, what happens, and every five seconds how things are', () => {
    const display = plainLines(write);
    display.showAround(PLACES);
    display.say('READY');
    for (let atMs = 1_000; atMs < 12_000; atMs += 1_000) display.show(viewAt(atMs), () => `at ${atMs}`);
    display.close();
    expect(written.split('\n')).toEqual([
      'open  http://127.0.0.1:8400',
      'head office  http://127.0.0.1:8400  office@example.com  password secret',
      'B001 Newtown  http://127.0.0.1:8401  mia (cashier) PIN 123456',
      'fleet      /data/fleet.json',
      'sign-ins   /data/sign-ins.json',
      ...['READY', 'at 6000', 'at 11000', ''],
    ]);
  });
});

describe('a live table', () => {
  const HIDE = '\u001b[?25l';
  const SHOW = '\u001b[?25h';
  const opened = (): LiveTable => {
    const table = new LiveTable({ write, columns: 80, rows: 24 }, false, new ManualClock(5_000));
    table.say('setting up the chain');
    table.showAround(PLACES);
    table.show(viewAt(1_000));
    return table;
  };

  it('begins below what was said before, with nothing erased and the cursor hidden', () => {
    const table = opened();
    expect(written).toMatch(/^setting up the chain\nopen {2}http:/);
    expect(written).toContain(`sign-ins   /data/sign-ins.json\n${HIDE}${'\n'.repeat(24)}\u001b[?2026h\u001b[H`);
    expect(written).not.toContain('\u001b[2J');
    table.close();
  });

  it('writes a frame when something has changed, and only then', () => {
    const table = opened();
    written = '';
    table.show(viewAt(1_000));
    expect(written).toBe('');
    table.say('B001: line cut');
    expect(written.startsWith('\u001b[?2026h\u001b[H')).toBe(true);
    expect(written).toContain('00:00:05Z  B001: line cut');
    expect(written.endsWith('\u001b[?2026l')).toBe(true);
    table.close();
  });

  it('gives the cursor back once, whoever ends it, and says plainly what comes after', () => {
    const listeners = process.listenerCount('exit');
    const table = opened();
    expect(process.listenerCount('exit')).toBe(listeners + 1);
    written = '';
    table.close();
    table.close();
    table.say('late');
    expect(written).toBe(`\r\n${SHOW}late\n`);
    expect(process.listenerCount('exit')).toBe(listeners);
  });
});

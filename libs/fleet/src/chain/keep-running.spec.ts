import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { keepRunning } from './keep-running.js';

describe('a program that is kept running', () => {
  it('is started again when it ends, until the signal', async () => {
    const stop = new AbortController();
    const told: string[] = [];
    let runs = 1;
    let back = 0;
    const kept = {
      name: 'edge B001',
      exited: () => (runs < 3 ? Promise.resolve(`1: run ${runs}`) : new Promise<string>(() => undefined)),
      launch: () => {
        runs += 1;
        if (runs === 3) setImmediate(() => stop.abort());
        return Promise.resolve();
      },
    };
    const onBack = () => (back += 1);
    await keepRunning(kept, {
      clock: new ManualClock(0),
      signal: stop.signal,
      tell: (line) => told.push(line),
      onBack,
    });
    expect(told).toEqual([
      'edge B001 ended (1: run 1), starting it again',
      'edge B001 is back after 0.0 s',
      'edge B001 ended (1: run 2), starting it again',
      'edge B001 is back after 0.0 s',
    ]);
    expect(back).toBe(2);
  });

  it('is tried again when it does not start', async () => {
    const stop = new AbortController();
    const told: string[] = [];
    let tries = 0;
    const kept = {
      name: 'hub',
      exited: () => (tries === 0 ? Promise.resolve('SIGKILL') : new Promise<string>(() => undefined)),
      launch: () => {
        tries += 1;
        if (tries === 1) return Promise.reject(new Error('port 1 is in use'));
        setImmediate(() => stop.abort());
        return Promise.resolve();
      },
    };
    const parts = {
      clock: new ManualClock(0),
      signal: stop.signal,
      tell: (line: string) => told.push(line),
      onBack: () => undefined,
    };
    await keepRunning(kept, parts);
    expect(told).toEqual([
      'hub ended (SIGKILL), starting it again',
      'hub does not start: port 1 is in use',
      'hub is back after 0.0 s',
    ]);
    expect(tries).toBe(2);
  });
});

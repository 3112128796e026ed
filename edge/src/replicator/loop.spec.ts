import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Loop, type RoundEnd } from './loop.js';
import { eventually } from './testing/replicator-fixture.js';

const HOUR_MS = 3_600_000;

/** A loop whose rounds end when and as the test says. */
function handHeld(): {
  loop: Loop;
  timers: SchedulerRegistry;
  rounds: { forced: boolean; end(how: RoundEnd): void }[];
} {
  const rounds: { forced: boolean; end(how: RoundEnd): void }[] = [];
  const timers = new SchedulerRegistry();
  const loop = new Loop(
    'hand-held',
    timers,
    systemClock,
    (forced) => new Promise((end) => rounds.push({ forced, end })),
  );
  return { loop, timers, rounds };
}

let held: ReturnType<typeof handHeld>;
afterEach(async () => {
  const stopped = held.loop.stop();
  held.rounds.at(-1)?.end({ kind: 'halted' });
  await stopped;
  expect(held.timers.getTimeouts()).toEqual([]);
});

async function begun(rounds: number): Promise<void> {
  await eventually(`round ${rounds}`, () => held.rounds.length === rounds);
}
/** The end of a round reaches the loop a few turns of the event loop later. */
async function ended(at: number, how: RoundEnd): Promise<void> {
  held.rounds[at]?.end(how);
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a loop', () => {
  it('never overlaps itself: what nudges and forces it while it runs makes one more round', async () => {
    held = handHeld();
    held.loop.start(0);
    await begun(1);
    for (let times = 0; times < 5; times++) held.loop.nudge();
    held.loop.force();
    held.loop.nudge();
    expect(held.rounds).toHaveLength(1);
    await ended(0, { kind: 'idle', afterMs: HOUR_MS });
    expect(held.rounds.map(({ forced }) => forced)).toEqual([false, true]);
    await ended(1, { kind: 'idle', afterMs: HOUR_MS });
    expect(held.rounds).toHaveLength(2);
  });

  it('is brought forward by a nudge when idle, not when it waits after trouble', async () => {
    held = handHeld();
    held.loop.start(HOUR_MS);
    held.loop.nudge();
    await begun(1);
    await ended(0, { kind: 'waiting', afterMs: HOUR_MS });
    held.loop.nudge();
    expect(held.loop.isWaiting).toBe(true);
    expect(Number(held.loop.nextAtMs)).toBeGreaterThan(systemClock.now() + HOUR_MS / 2);
    held.loop.force();
    await begun(2);
  });

  it('that halted runs again only by force', async () => {
    held = handHeld();
    held.loop.start(0);
    await begun(1);
    await ended(0, { kind: 'halted' });
    held.loop.nudge();
    expect(held.loop.nextAtMs).toBeNull();
    held.loop.force();
    await begun(2);
    expect(held.rounds[1]?.forced).toBe(true);
  });

  it('stops only when its round has ended, and is not begun by anything after', async () => {
    held = handHeld();
    held.loop.start(0);
    await begun(1);
    let isStopped = false;
    const stopped = held.loop.stop().then(() => (isStopped = true));
    held.loop.force();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isStopped).toBe(false);
    await ended(0, { kind: 'idle', afterMs: 0 });
    await stopped;
    held.loop.nudge();
    held.loop.force();
    expect(held.rounds).toHaveLength(1);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { newBox } from '../src/store/testing/store-fixture.js';
import { broken, salesAtHub, WorldBox } from './branch-world.js';

/** Disasters in any order, from a number that brings the same ones again. */
const SEEDS = [1, 2, 3, 4, 5];
const EVENTS = 14;
const BOXES_MAX = 3;

let hub: FakeHub;
let boxes: WorldBox[] = [];
afterEach(async () => {
  for (const box of boxes) {
    await box.close().catch(() => undefined);
    box.remove();
  }
  boxes = [];
  await hub.close();
});

/** mulberry32: the same numbers for the same seed, on every machine. */
function chanceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WITNESSES = ['restored too', 'kept', 'lost'] as const;

class Branch {
  readonly told = new Set<string>();
  readonly done: string[] = [];
  private readonly backups = new Map<WorldBox, string[]>();

  constructor(private readonly chance: (below: number) => number) {}

  async start(): Promise<void> {
    const identity = newBox();
    hub = await FakeHub.start(identity);
    hub.pageLinesMax = 10;
    boxes = [await WorldBox.start(identity)];
    await boxes[0]?.openShift();
  }

  async step(): Promise<void> {
    const box = boxes[this.chance(boxes.length)] as WorldBox;
    const name = `box ${boxes.indexOf(box)}`;
    const what = this.chance(10);
    if (what <= 3) {
      if (box.openShifts().length === 0) await box.openShift(`D${boxes.indexOf(box)}`);
      for (const id of await box.sellMany(1 + this.chance(6))) this.told.add(id);
      this.done.push(`${name} sells`);
    } else if (what <= 5) {
      await box.meet(hub);
      this.done.push(`${name} meets`);
    } else if (what === 6) {
      this.backups.set(box, [...(this.backups.get(box) ?? []), await box.backup()]);
      this.done.push(`${name} is backed up`);
    } else if (what === 7) await this.restore(box, name);
    else if (what === 8) await this.restoreHub();
    else await this.another(box, name);
  }

  private async restore(box: WorldBox, name: string): Promise<void> {
    const backups = this.backups.get(box) ?? [];
    const backup = backups[this.chance(Math.max(backups.length, 1))];
    if (backup === undefined) return;
    const witness = WITNESSES[this.chance(3)] ?? 'lost';
    await box.restore(backup, witness);
    this.forgetLost();
    this.done.push(`${name} is restored, its witness ${witness}`);
  }

  private async restoreHub(): Promise<void> {
    for (const [incarnation, { lines }] of hub.streams)
      hub.forgetLinesAfter(incarnation, 1 + this.chance(lines.length));
    this.forgetLost();
    this.done.push('the hub is restored');
  }

  private async another(box: WorldBox, name: string): Promise<void> {
    if (boxes.length === BOXES_MAX) return;
    if (this.chance(2) === 0) {
      boxes.push(await WorldBox.start(box.identity, box));
      this.done.push(`${name} is copied`);
      return;
    }
    const { tenant, branch } = box.identity;
    const identity = newBox({ tenant, branch, epoch: 10 * boxes.length });
    hub.boxes.push(identity);
    boxes.push(await WorldBox.start(identity));
    this.done.push('a box is enrolled');
  }

  /** What nobody has any more was on the disks that went. */
  private forgetLost(): void {
    const held = new Set([...salesAtHub(hub).keys(), ...boxes.flatMap((box) => box.sales())]);
    for (const id of this.told) if (!held.has(id)) this.told.delete(id);
  }

  async settle(): Promise<void> {
    // What one journals again the others have to fetch, and what they had beyond it comes back.
    for (let round = 0; round < 4; round += 1) for (const box of boxes) await box.meet(hub);
  }
}

describe('disasters in any order', () => {
  it.each(SEEDS)(
    'leave every sale once at the hub and at each box, and a file that its journal makes again (seed %i)',
    async (seed) => {
      const branch = new Branch(chanceOf(seed));
      await branch.start();
      for (let event = 0; event < EVENTS; event += 1) await branch.step();
      await branch.settle();
      for (const box of boxes) {
        const wrong = await broken(box, hub, branch.told);
        expect({ done: branch.done, wrong }).toEqual({ done: branch.done, wrong: [] });
      }
    },
    120_000,
  );
});

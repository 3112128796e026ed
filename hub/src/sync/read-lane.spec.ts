import { describe, expect, it } from '@jest/globals';
import { ReadLane } from './read-lane.js';

const LIMITS = { workingMax: 3, waitingMax: 4, perBoxMax: 2, perBranchMax: 3, retryAfterS: 5 };
const box = (branch: number, no = 1) => ({ boxId: `box ${branch}.${no}`, branchId: `branch ${branch}` });
const BUSY = { code: 'busy', headers: { 'retry-after': '5' } };

/** One turn of the loop: whoever was let in has begun. */
const turn = (): Promise<void> => new Promise((soon) => setImmediate(soon));

describe('a lane of readers', () => {
  it('gives one box, and one branch, a small share, and has room for others', async () => {
    const lane = new ReadLane(LIMITS);
    await lane.enter(box(1));
    await lane.enter(box(1));
    await expect(lane.enter(box(1))).rejects.toMatchObject(BUSY);
    const leave = await lane.enter(box(1, 2));
    await expect(lane.enter(box(1, 2))).rejects.toMatchObject(BUSY);
    let isIn = false;
    void lane.enter(box(2)).then(() => (isIn = true));
    await turn();
    expect(isIn).toBe(false);
    leave();
    leave();
    await turn();
    expect(isIn).toBe(true);
  });

  it('lets in order those begin who wait, tells more of them to come again, and gives back what failed', async () => {
    const lane = new ReadLane(LIMITS);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const reads = [1, 2, 3, 4, 5, 6, 7].map((branch) =>
      lane.read(box(branch), async () => {
        begun.push(branch);
        await new Promise<void>((end) => ends.push(end));
        throw new Error(`${branch} failed`);
      }),
    );
    const settled = Promise.allSettled(reads);
    await turn();
    expect(begun).toEqual([1, 2, 3]);
    await expect(lane.enter(box(8))).rejects.toMatchObject(BUSY);
    for (let at = 0; at < 7; at += 1) {
      ends[at]?.();
      await turn();
    }
    expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    for (const branch of [1, 1, 2]) await lane.enter(box(branch));
  });
});

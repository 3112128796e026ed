import { setImmediate as otherWork } from 'node:timers/promises';

/** Asked between two pieces of long work, of some milliseconds each: others are served first. */
export type GiveWay = () => Promise<void>;

/** Whoever waits in the same thread. */
export const toOtherWork: GiveWay = () => otherWork();

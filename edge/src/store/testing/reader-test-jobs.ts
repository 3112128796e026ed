import { problem } from '@branchline/http/problem.js';
import type { ReadJobs } from '../read-job.js';
import type { ReadTx } from '../tx.js';

/** Two words that a test and a job share: [0] the job is inside, [1] it may go on. */
export type Gate = Int32Array<SharedArrayBuffer>;

const devices = (tx: ReadTx): number => tx.get<{ n: number }>('SELECT count(*) AS n FROM device')?.n ?? 0;

export const READER_TEST_JOBS = {
  devices,
  /** Looks, waits for the gate, looks again. */
  'look-twice': (tx: ReadTx, gate: Gate): number[] => {
    const before = devices(tx);
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    Atomics.wait(gate, 1, 0);
    return [before, devices(tx)];
  },
  'never-ends': (tx: ReadTx): never => {
    devices(tx);
    for (;;);
  },
  dies: (): never => process.exit(7),
  hoards: (): never => {
    const held: number[][] = [];
    for (;;) held.push(new Array<number>(100_000).fill(held.length));
  },
  refuses: (): never => {
    const errors = [{ path: 'after', code: 'invalid-cursor', message: 'no cursor' }];
    throw problem('invalid-field', 'after: not a cursor of this list', { errors });
  },
  breaks: (): never => {
    throw new TypeError('a bug in a job');
  },
} satisfies ReadJobs;

export type ReaderTestJobs = typeof READER_TEST_JOBS;

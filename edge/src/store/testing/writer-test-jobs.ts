import { existsSync } from 'node:fs';
import { problem } from '@branchline/http/problem.js';
import { unpackLine } from '../line-storage.js';
import type { KnownWrites } from '../serve-writes.js';
import type { BackgroundWrite, LocalWrite } from '../write-job.js';
import { enrolDevice } from './store-fixture.js';

export const enrolHandedOver: typeof enrolDevice = { ...enrolDevice, name: 'enrol-handed-over', waits: true };

export const failsAs: LocalWrite<'a refusal' | 'a bug' | 'a bug with a bigint' | 'a damaged line' | 'a death', never> =
  {
    name: 'fails-as',
    run(_tx, how) {
      if (how === 'a refusal') throw problem('locked-out', 'too often', { headers: { 'retry-after': '7' } });
      if (how === 'a bug') throw Object.assign(new TypeError('a bug in a write'), { no: 42 });
      if (how === 'a bug with a bigint') throw Object.assign(new Error('a bug'), { rowid: 1n });
      if (how === 'a damaged line') return unpackLine(Buffer.of(0), 3) as never;
      return process.exit(7);
    },
  };

export const countsRows: LocalWrite<{ of: string }, number> = {
  name: 'counts-rows',
  run: (tx, { of }) => tx.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${of}`)?.rows ?? 0,
};

/** As a disk that hangs: until there is a file. */
export const waitsForFile: LocalWrite<{ path: string }, void> = {
  name: 'waits-for-file',
  run(_tx, { path }) {
    const nap = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(path)) Atomics.wait(nap, 0, 0, 20);
  },
};

export const takesMs: LocalWrite<{ ms: number }, void> = {
  name: 'takes-ms',
  run(_tx, { ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  },
};

/** One row of the log a slice. @returns how many slices there were */
export const countsUp: BackgroundWrite<{ to: number }, { at: number }> = {
  name: 'counts-up',
  slice(tx, { to }, { at }, { clock }) {
    tx.run(`INSERT INTO sync_log (at, level, event, detail) VALUES (?, 'info', 'slice', ?)`, clock.now(), String(at));
    return { state: { at: at + 1 }, more: at + 1 < to };
  },
};

export const WRITER_TEST_WRITES: KnownWrites = {
  commands: [enrolDevice, enrolHandedOver],
  local: [failsAs, countsRows, takesMs, waitsForFile],
  background: [countsUp],
};

import type { ProblemCode } from '@branchline/http/problem-codes.js';
import type { FieldError } from '@branchline/http/problem.js';
import type { WrittenBy } from './write-job.js';

/** JSON of what goes in or comes out; undefined of undefined. To clone the objects would take thrice as long. */
export type Plain = string | undefined;

export type StorePlace = { dataDir: string; databaseFile: string; witnessFile: string };

/** `no`: by which its outcome is known. */
export type WriteRequest = { no: number } & (
  | { kind: 'execute'; name: string; input: Plain; by: WrittenBy }
  | { kind: 'write'; name: string; input: Plain }
  | { kind: 'background'; name: string; input: Plain; state: Plain }
  | { kind: 'sync-witness' }
  | { kind: 'cut-log' }
);

export type ToWriterThread =
  | { kind: 'open'; place: StorePlace }
  /** What came in one turn goes in one message. */
  | { kind: 'requests'; requests: WriteRequest[] }
  /** Of a background write: no further slice. */
  | { kind: 'abort'; no: number }
  | { kind: 'close' };

export type WriteOutcome = { no: number } & (
  | { kind: 'done'; output: Plain }
  | {
      kind: 'refused';
      problem: { code: ProblemCode; detail: string; errors?: FieldError[]; headers?: Record<string, string> };
    }
  /** A bug. `fields`: JSON of what the error bore beside its message. */
  | { kind: 'failed'; name: string; message: string; stack: string | undefined; fields: string }
);

export type FromWriterThread =
  | { kind: 'open' }
  | { kind: 'not-open'; message: string; stack: string | undefined; isEnvironment: boolean }
  /** Of one group. `moved`: the journal has a new head. */
  | { kind: 'outcomes'; outcomes: WriteOutcome[]; moved: boolean }
  | { kind: 'alarm'; message: string }
  | { kind: 'fatal'; message: string }
  | { kind: 'closed' };

export function plainOf(value: unknown): Plain {
  return JSON.stringify(value) as Plain;
}

export function ofPlain(plain: Plain): unknown {
  return plain === undefined ? undefined : JSON.parse(plain);
}

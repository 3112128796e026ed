import type { ProblemCode } from '@branchline/http/problem-codes.js';
import type { FieldError } from '@branchline/http/problem.js';
import type { ReadTx } from './tx.js';

/** A read that takes longer than a point read: pure, synchronous, plain data in and out, bounded in what it returns. */
export type ReadJob<Input, Output> = (tx: ReadTx, input: Input) => Output;

/** By name, for a thread to find them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has an input of its own
export type ReadJobs = Record<string, ReadJob<any, unknown>>;

/** JSON of a `T`, written where the read was done. Sent as it is: what is long to read is long to write. */
export type JsonText<T> = string & { readonly jsonOf?: T };

export const JSON_TYPE = 'application/json; charset=utf-8';

export function jsonText<T>(value: T): JsonText<T> {
  return JSON.stringify(value);
}

/** What goes to the thread and comes back. `no`: one task at a time, but a late answer must not be taken for another's. */
export type ReadRequest = { no: number; name: string; input: unknown };

export type ReadOutcome =
  | { kind: 'done'; json: string }
  | { kind: 'refused'; problem: { code: ProblemCode; detail: string; errors?: FieldError[] } }
  | { kind: 'failed'; message: string; stack: string | undefined };

export type ThreadMessage = { kind: 'ready' } | { kind: 'answer'; no: number; outcome: ReadOutcome };

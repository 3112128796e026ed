import { Problem, problem, type ProblemExtra } from '@branchline/http/problem.js';
import type { ProblemCode } from '@branchline/http/problem-codes.js';
import { MalformedPush } from '@branchline/replication/push.js';
import type { Announcement } from '../../database/unit-of-work.js';
import type { AppliedPush, PushBox } from '../apply-push.js';
import type { SentPush } from '../push-body.js';

/** What the thread is started with. */
export type BulkPlace = { databaseUrl: string; shortPushes: SharedArrayBuffer };

/** Bytes of its own, which are handed over. */
type SentBytes = Omit<SentPush, 'bytes'> & { bytes: Uint8Array };

export type ToBulkThread = { kind: 'push'; no: number; who: PushBox; sent: SentBytes } | { kind: 'close' };

/** `announced` comes before the outcome of the push that announced it. */
export type FromBulkThread =
  | { kind: 'announced'; announcement: Announcement }
  | { kind: 'applied'; no: number; applied: AppliedPush }
  | { kind: 'failed'; no: number; failure: PlainFailure };

/** An error as data: between threads a class is lost. */
export type PlainFailure =
  | { kind: 'problem'; code: ProblemCode; detail: string; extra: ProblemExtra }
  | { kind: 'malformed'; message: string }
  | { kind: 'bug'; message: string; stack: string | undefined };

export function plainFailure(error: unknown): PlainFailure {
  if (error instanceof Problem) {
    const { code, detail, errors, headers, members } = error;
    return { kind: 'problem', code, detail, extra: { errors, headers, members } };
  }
  if (error instanceof MalformedPush) return { kind: 'malformed', message: error.message };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'bug', message, stack };
}

export function ofPlainFailure(failure: PlainFailure): Error {
  if (failure.kind === 'problem') return problem(failure.code, failure.detail, failure.extra);
  if (failure.kind === 'malformed') return new MalformedPush(failure.message);
  return Object.assign(new Error(failure.message), { stack: failure.stack });
}

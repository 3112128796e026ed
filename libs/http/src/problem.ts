import { PROBLEMS, isProblemCode, type ProblemCode } from './problem-codes.js';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';
const PROBLEM_TYPE_BASE = 'https://branchline.dev/problems/';

/** One finding about one field: `path` like `lines.0.quantity`. */
export type FieldError = { path: string; code: string; message: string };

/** RFC 9457, with `code` as the part that programs read. */
export type ProblemBody = {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  errors?: FieldError[];
};

/** `members`: what RFC 9457 calls extension members, for a caller that goes on with them. */
export type ProblemExtra = {
  errors?: FieldError[];
  headers?: Record<string, string>;
  members?: Record<string, unknown>;
};

/** An expected outcome that the caller is told about. Bugs are plain errors and become `internal`. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly title: string;
  readonly errors?: FieldError[];
  readonly headers?: Record<string, string>;
  readonly members?: Record<string, unknown>;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    extra: ProblemExtra = {},
  ) {
    super(`${code}: ${detail}`);
    this.status = PROBLEMS[code].status;
    this.title = PROBLEMS[code].title;
    this.errors = extra.errors;
    this.headers = extra.headers;
    this.members = extra.members;
  }
}

/** @param detail one line for the operator; without it the title of the code is repeated */
export function problem(code: ProblemCode, detail?: string, extra?: ProblemExtra): Problem {
  return new Problem(code, detail ?? PROBLEMS[code].title, extra);
}

export function problemBody({ code, title, status, detail, errors, members }: Problem): ProblemBody {
  return { ...members, type: PROBLEM_TYPE_BASE + code, title, status, code, detail, ...(errors && { errors }) };
}

/**
 * A `DomainError` of libs/domain whose code is registered, as a problem. Recognised by its shape: this room knows
 * nothing of the domain.
 */
export function problemOfDomainError(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || error.name !== 'DomainError' || !('code' in error)) return undefined;
  const { code, message } = error;
  return typeof code === 'string' && isProblemCode(code) ? problem(code, message) : undefined;
}

/** No usable answer: the line is down, cut, too slow, or what came back was cut short. Nothing is known of what the hub did. */
export class LineFailure extends Error {
  override readonly name = 'LineFailure';
}

export type RefusalFields = {
  status: number;
  /** Registered code of the problem, or `status-NNN` where whoever answered was not a hub. */
  code: string;
  detail: string;
  /** From Retry-After; null when the hub named no time. */
  retryAfterMs: number | null;
  /** Members of the problem beyond RFC 9457's own. */
  extension: Readonly<Record<string, unknown>>;
};

/** The hub answered, and not with what was asked for. */
export class Refusal extends Error implements RefusalFields {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryAfterMs: number | null;
  readonly extension: Readonly<Record<string, unknown>>;

  constructor({ status, code, detail, retryAfterMs, extension }: RefusalFields) {
    super(`${status} ${code}: ${detail}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.extension = extension;
  }
}

const RETRY_AFTER_MS_MAX = 3_600_000;
const STANDARD_MEMBERS = ['type', 'title', 'status', 'code', 'detail', 'instance'];

export type RawAnswer = { status: number; retryAfter: string | undefined; body: Buffer };

/** @param nowMs for a Retry-After that names a date */
export function refusalOf({ status, retryAfter, body }: RawAnswer, nowMs: number): Refusal {
  const value = problemOf(body);
  const extension = Object.fromEntries(Object.entries(value).filter(([name]) => !STANDARD_MEMBERS.includes(name)));
  const code = typeof value['code'] === 'string' ? value['code'] : `status-${status}`;
  const detail = typeof value['detail'] === 'string' ? value['detail'].slice(0, 300) : 'no reason given';
  return new Refusal({ status, code, detail, retryAfterMs: retryAfterMs(retryAfter, nowMs), extension });
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3); never more than an hour, so that a hub's slip cannot silence a store. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

function problemOf(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

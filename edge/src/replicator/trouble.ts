import { Problem } from '@branchline/http/problem.js';
import { isDamagedLine } from '../store/line-storage.js';
import { LineFailure, Refusal } from './hub-failure.js';
import { CorruptPage } from './feed-staging.js';
import { CorruptSnapshot } from './snapshot-file.js';
import { CorruptLines } from './lines-round.js';
import { NoCommonProtocol } from './speech.js';

/**
 * What a failed round comes to. `halt`: not again before a person asks for it or the edge starts anew. `hello`: the next
 * round begins by asking the hub where it stands. `line`: whether the hub was reached.
 */
export type Trouble = {
  line: 'up' | 'down';
  halt: boolean;
  hello: boolean;
  level: 'warning' | 'incident';
  event: string;
  detail: string;
  retryAfterMs: number | null;
};

const HALTING = ['box-revoked'];
/** The hub stands elsewhere than this box believed. */
const ASKING_HELLO = ['seq-gap', 'fork', 'feed-fork', 'not-yours', 'unknown-incarnation', 'not-found', 'protocol'];
/** Nothing that waiting mends: somebody has to look. */
const INCIDENTS = ['box-revoked', 'malformed-push', 'protocol', 'not-yours', 'line-too-large', 'unauthenticated'];

export function troubleOf(error: unknown): Trouble {
  const common = { halt: false, hello: false, level: 'warning', retryAfterMs: null } as const;
  if (error instanceof LineFailure) {
    return { ...common, line: 'down', hello: true, event: 'line-down', detail: error.message };
  }
  if (error instanceof NoCommonProtocol)
    return { ...common, line: 'up', hello: true, level: 'incident', event: error.code, detail: error.detail };
  if (error instanceof Refusal) {
    const { code, detail, status, retryAfterMs } = error;
    return {
      line: 'up',
      halt: HALTING.includes(code),
      hello: ASKING_HELLO.includes(code),
      level: INCIDENTS.includes(code) ? 'incident' : 'warning',
      event: code,
      detail: `the hub answered ${status} ${code}: ${detail}`,
      retryAfterMs,
    };
  }
  if (error instanceof CorruptPage || error instanceof CorruptSnapshot) {
    return { ...common, line: 'up', level: 'incident', event: 'feed-corrupt', detail: error.message };
  }
  if (error instanceof CorruptLines) {
    return { ...common, line: 'up', level: 'incident', event: 'lines-corrupt', detail: error.message };
  }
  if (isDamagedLine(error)) {
    return { ...common, line: 'up', level: 'incident', event: 'journal-damaged', detail: error.message };
  }
  if (error instanceof Problem) return { ...common, line: 'up', event: error.code, detail: `here: ${error.detail}` };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { ...common, line: 'up', level: 'incident', event: 'bug', detail };
}

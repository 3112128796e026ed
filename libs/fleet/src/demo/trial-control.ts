import { isSameText, type LocalControl, startLocalControl, type ControlAnswer } from '../local-control.js';

/** A branch as whoever holds the switches sees it: what its tills were told, and where its box stands. */
export interface TrialBranch {
  branch: string;
  line: 'up' | 'down';
  box: 'up' | 'down';
  /** What the tills were told is done, on the branch's current business date. */
  tillBaskets: number;
  tillTotalMinor: number;
  currency: string;
  businessDate: string;
  /** Null while the box is down. */
  queue: number | null;
  headSeq: number | null;
  headHash: string | null;
  url: string;
}

export interface TrialStore {
  readonly code: string;
  look(): Promise<TrialBranch>;
  cut(): void;
  restore(): void;
  kill(): Promise<void>;
}

const SWITCH = /^POST \/branches\/([A-Z0-9]{1,12})\/(cut|restore|kill)$/;
const OK: ControlAnswer = { status: 200, body: { ok: true } };

/**
 * The switches of the trial chain, for its own hub: `GET /`, `POST /branches/:branch/cut|restore|kill`, with the bearer token that only
 * the hub was handed.
 *
 * @param stores those that are open by now
 */
export function startTrialControl(token: string, stores: () => readonly TrialStore[]): Promise<LocalControl> {
  return startLocalControl(async ({ method, url, headers }) => {
    if (!isSameText(headers.authorization ?? '', `Bearer ${token}`))
      return { status: 401, body: { error: 'the bearer token is missing' } };
    const route = `${method} ${url}`;
    if (route === 'GET /')
      return { status: 200, body: { branches: await Promise.all(stores().map((store) => store.look())) } };
    const [, code, action] = SWITCH.exec(route) ?? [];
    const store = stores().find((each) => each.code === code);
    if (!store) return { status: 404, body: { error: code ? `there is no branch ${code}` : `there is no ${route}` } };
    if (action === 'cut') store.cut();
    else if (action === 'restore') store.restore();
    else await store.kill();
    return OK;
  });
}

/** The hub did not answer, or answered with what is no answer of a hub. */
export class HubAway extends Error {}

/** The hub's problem: `code` is registered, `detail` one line for people. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** Of `signed-in-otherwise`: what to say to go on all the same. */
    readonly confirm?: string,
  ) {
    super(`${status} ${code}`);
  }
}

/** Nobody is signed in here any more. */
export class SignedOut extends Error {}

type Session = { accessToken: string; expiresInS: number; person: { email: string; name: string } };

const ANSWER_MS_MAX = 10_000;
/** Longer than the hub gives a verification (a quarter of an hour) and its last statement (two minutes): it is the hub that ends it. */
const WORK_MS_MAX = 1_080_000;
/** A moment, no secret: until then a renewal that nobody waits for may still be under way. */
const RENEWING_UNTIL = 'branchline-renewing-until';
const RENEWAL_MS_MAX = 2_000;
/** The access token is renewed after this part of its life. */
const RENEW_AT = 0.7;

/**
 * The page's side of the hub. The access token lives in this object only, the refresh token in a cookie that no script can
 * read: a reload asks for a new access token, another page on this machine cannot.
 */
export class Hub {
  private access: { token: string; renewAtMs: number } | null = null;
  private renewal: Promise<void> | null = null;
  /** Called with the e-mail of whoever is signed in here, also when that changed in another tab. */
  onPerson: (email: string) => void = () => undefined;

  async signIn(email: string, password: string): Promise<void> {
    this.keep(await this.post<Session>('/v1/auth/login?mode=cookie', { email, password }));
  }

  /** @throws Refused `signed-in-otherwise` when somebody else is signed in here and no word of his was given */
  async signInByLink(code: string, confirm?: string): Promise<void> {
    this.keep(await this.post<Session>('/v1/auth/link?mode=cookie', { code, confirm }));
  }

  /** Goes on with the sign-in of an earlier visit. @throws SignedOut, HubAway */
  resume(): Promise<void> {
    this.renewal ??= this.renew().finally(() => (this.renewal = null));
    return this.renewal;
  }

  async signOut(): Promise<void> {
    this.access = null;
    await this.post('/v1/auth/logout?mode=cookie');
  }

  /** @throws SignedOut, Refused, HubAway */
  read<T>(path: string): Promise<T> {
    return this.asPerson<T>('GET', path, ANSWER_MS_MAX);
  }

  /** @throws SignedOut, Refused, HubAway */
  order<T>(path: string): Promise<T> {
    return this.asPerson<T>('POST', path, WORK_MS_MAX);
  }

  private async asPerson<T>(method: string, path: string, msMax: number): Promise<T> {
    if (this.access === null || performance.now() >= this.access.renewAtMs) await this.resume();
    const authorization = (): HeadersInit => ({ authorization: `Bearer ${this.access?.token ?? ''}` });
    try {
      return await request<T>(path, { method, headers: authorization() }, msMax);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      // The clock of this machine may stand still in sleep, and rights may have changed: once with a new token.
      await this.resume();
      return request<T>(path, { method, headers: authorization() }, msMax);
    }
  }

  private async renew(): Promise<void> {
    try {
      // One at a time: a refresh token that is used twice ends the whole sign-in.
      this.keep(await alone(() => this.post<Session>('/v1/auth/refresh?mode=cookie')));
    } catch (error) {
      if (!(error instanceof Refused) || error.status >= 500 || error.status === 429) throw error;
      this.access = null;
      throw new SignedOut();
    }
  }

  private keep({ accessToken, expiresInS, person }: Session): void {
    this.access = { token: accessToken, renewAtMs: performance.now() + expiresInS * 1000 * RENEW_AT };
    this.onPerson(person.email);
  }

  /** Kept alive beyond a reload: a new cookie that was given and not received would look like a stolen one. */
  private post<T>(path: string, body?: object): Promise<T> {
    const sent = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    return request<T>(path, { method: 'POST', keepalive: true, ...sent }, ANSWER_MS_MAX);
  }
}

/**
 * One renewal at a time in all tabs. A page that is reloaded in the middle of one lets go of the lock, though its request
 * goes on: until that can have ended, the next page waits. (Ten reloads within a second signed out in 3 of 6 tries without.)
 */
function alone<T>(renewal: () => Promise<T>): Promise<T> {
  const work = async (): Promise<T> => {
    let isSettled = true;
    const leftMs = Math.min(Number(localStorage.getItem(RENEWING_UNTIL)) - Date.now(), RENEWAL_MS_MAX);
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
    localStorage.setItem(RENEWING_UNTIL, String(Date.now() + RENEWAL_MS_MAX));
    try {
      return await renewal();
    } catch (error) {
      // A page that goes away sees its request fail; what becomes of it nobody knows.
      if (error instanceof HubAway) isSettled = false;
      throw error;
    } finally {
      if (isSettled) localStorage.removeItem(RENEWING_UNTIL);
    }
  };
  return 'locks' in navigator ? (navigator.locks.request('branchline-refresh', work) as Promise<T>) : work();
}

async function request<T>(path: string, init: RequestInit, msMax: number): Promise<T> {
  const answer = await fetch(path, { ...init, cache: 'no-store', signal: AbortSignal.timeout(msMax) }).catch(() => {
    throw new HubAway();
  });
  if (answer.status === 204) return undefined as T;
  const body: unknown = await answer.json().catch(() => {
    throw new HubAway();
  });
  if (answer.ok) return body as T;
  const { code = 'unknown', detail = '', confirm } = body as { code?: string; detail?: string; confirm?: string };
  throw new Refused(answer.status, code, detail, confirm);
}

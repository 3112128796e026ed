import { PassportStrategy } from '@nestjs/passport';
import { problem } from '@branchline/http/problem.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import jsonwebtoken, { type Algorithm, type JwtPayload } from 'jsonwebtoken';
import type { KeyObject } from 'node:crypto';
import passport from 'passport';
import { Strategy, type SecretOrKeyProvider } from 'passport-jwt';
import { bearerToken, type Authenticator, type Principal } from './principal.js';

/** No access token lives longer, whoever signed it. */
export const ACCESS_TOKEN_S_MAX = 600;
/** How far the clocks of two hub processes may differ. */
const CLOCK_SKEW_S_MAX = 60;
const TOKEN_CHARACTERS_MAX = 4_096;

export type JwtStrategySettings = {
  /** `operator`, `person`, `box`: for messages only. */
  name: string;
  issuer: string;
  audience: string;
  /** Exactly one: a key is for one algorithm. */
  algorithms: readonly [Algorithm];
  /** The key of a key id, undefined when it is not known. The raw token is for those who must look into it. */
  keyOf(kid: string, token: string): KeyObject | undefined | Promise<KeyObject | undefined>;
  /** Looks up what can have changed since the token was signed (roles, revocation): undefined refuses. May throw a Problem. */
  toPrincipal(claims: JwtPayload, request: FastifyRequest): Principal | undefined | Promise<Principal | undefined>;
  clock: { now(): number };
  /**
   * How many tokens are known again by their text: their signature was proved once, and its key is asked for again. Whether
   * they still live, and what they open, is looked up each time. For who asks with the same few tokens all day; 0: none.
   */
  tokensRemembered?: number;
};

/** A token whose signature was proved, and by which key. */
type Proved = { kid: string; key: KeyObject; claims: JwtPayload };

/**
 * Proves a principal by a signed access token, through passport-jwt. Each strategy lives in a passport of its own: the
 * global one is keyed by name, and two edges in one process would check each other's tokens.
 */
export function makeJwtStrategy(settings: JwtStrategySettings): Authenticator {
  if (!settings.issuer || !settings.audience) throw new Error(`${settings.name}: issuer and audience are not optional`);
  const own = new passport.Passport();

  class AccessTokenStrategy extends PassportStrategy(Strategy, settings.name) {
    constructor() {
      super({
        jwtFromRequest: shortBearerToken,
        secretOrKeyProvider: keyProvider(settings),
        issuer: settings.issuer,
        audience: settings.audience,
        algorithms: [...settings.algorithms],
        // The lifetime is checked in `validate`, by the clock that was handed in.
        ignoreExpiration: true,
        passReqToCallback: true,
      });
    }

    getPassportInstance(): typeof passport {
      return own as typeof passport;
    }

    async validate(request: FastifyRequest, claims: JwtPayload): Promise<Principal | false> {
      remember(request, claims);
      return principalOf(settings, claims, request);
    }
  }
  new AccessTokenStrategy();

  const proved = new Map<string, Proved>();
  const remember = (request: FastifyRequest, claims: JwtPayload): void => {
    const { tokensRemembered = 0, keyOf } = settings;
    const token = shortBearerToken(request);
    const kid = token === null ? undefined : jsonwebtoken.decode(token, { complete: true })?.header.kid;
    if (tokensRemembered === 0 || token === null || kid === undefined) return;
    const key = keyOf(kid, token);
    if (key === undefined || key instanceof Promise) return;
    if (proved.size >= tokensRemembered) proved.clear();
    proved.set(token, { kid, key, claims });
  };
  return async (request) => {
    const token = shortBearerToken(request);
    const known = token === null ? undefined : proved.get(token);
    if (token === null || known === undefined || settings.keyOf(known.kid, token) !== known.key)
      return runStrategy(own as typeof passport, settings.name, request);
    const principal = await principalOf(settings, known.claims, request);
    if (principal === false) throw problem('unauthenticated');
    return principal;
  };
}

async function principalOf(
  { clock, toPrincipal }: JwtStrategySettings,
  claims: JwtPayload,
  request: FastifyRequest,
): Promise<Principal | false> {
  if (!isLiveAccessToken(claims, clock.now())) return false;
  return (await toPrincipal(claims, request)) ?? false;
}

/** `typ` keeps refresh and other tokens of the same signer out; exp − iat is ours to bound, not the signer's. */
export function isLiveAccessToken(claims: JwtPayload, nowMs: number): boolean {
  const { iat, exp, typ } = claims;
  if (typ !== 'access' || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return false;
  if (iat === undefined || exp === undefined || exp <= iat || exp - iat > ACCESS_TOKEN_S_MAX) return false;
  const nowS = nowMs / 1000;
  return nowS < exp && iat <= nowS + CLOCK_SKEW_S_MAX;
}

/** When the access token expires by which a request was let in, for an answer that goes on. 0 without one. */
export function tokenExpiresAtMs(request: Pick<FastifyRequest, 'headers'>): number {
  const claims = jsonwebtoken.decode(bearerToken(request) ?? '');
  return typeof claims === 'object' && claims !== null ? (claims.exp ?? 0) * 1000 : 0;
}

function shortBearerToken(request: FastifyRequest): string | null {
  const token = bearerToken(request);
  return token !== undefined && token.length <= TOKEN_CHARACTERS_MAX ? token : null;
}

function keyProvider({ keyOf }: JwtStrategySettings): SecretOrKeyProvider<FastifyRequest> {
  return (_request, token: string, done) => {
    const kid = jsonwebtoken.decode(token, { complete: true })?.header.kid;
    if (typeof kid !== 'string') return done(new Error('the token names no key'));
    // jsonwebtoken takes a KeyObject, which is not parsed anew for each request; the types of passport-jwt do not know.
    const found = (key: KeyObject | undefined): void =>
      key ? done(null, key as unknown as Buffer) : done(new Error('the key is not known'));
    Promise.resolve(keyOf(kid, token)).then(found, done);
  };
}

function runStrategy(own: typeof passport, name: string, request: FastifyRequest): Promise<Principal> {
  return new Promise((resolve, reject) => {
    const decided = (error: unknown, principal?: Principal | false | null): void => {
      if (error) reject(error);
      else if (principal) resolve(principal);
      else reject(problem('unauthenticated'));
    };
    const middleware = own.authenticate(name, { session: false }, decided) as (
      request: FastifyRequest,
      reply: Partial<FastifyReply>,
      next: (error?: unknown) => void,
    ) => void;
    middleware(request, {}, decided);
  });
}

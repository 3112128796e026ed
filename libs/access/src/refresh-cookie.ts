import type { FastifyRequest } from 'fastify';

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** Call `assertSameOrigin` where it is used; `RefreshHandOver` does. */
export class RefreshCookie {
  private readonly name: string;

  /**
   * `__Host-`: the browser takes it from this host over TLS (or loopback) only, for all paths, and no subdomain can set it.
   * Ports do not part cookies, so the program is in the name: an edge and a hub may answer on one address.
   */
  constructor(program: 'edge' | 'hub') {
    this.name = `__Host-branchline-${program}-refresh`;
  }

  /** The value of `Set-Cookie` that keeps a refresh token where no script reads it. */
  holding(token: string, lifetimeS: number): string {
    return `${this.name}=${token}; Max-Age=${lifetimeS}; ${ATTRIBUTES}`;
  }

  cleared(): string {
    return `${this.name}=; Max-Age=0; ${ATTRIBUTES}`;
  }

  /** The token a browser sends back; undefined when there is none, or more than one, of which one is not ours. */
  tokenOf(request: Pick<FastifyRequest, 'headers'>): string | undefined {
    const start = `${this.name}=`;
    const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
    const tokens = pairs.filter((pair) => pair.startsWith(start)).map((pair) => pair.slice(start.length));
    return tokens.length === 1 && /^[A-Za-z0-9_-]{1,200}$/.test(tokens[0] ?? '') ? tokens[0] : undefined;
  }
}

import { assertSameOrigin } from '@branchline/http/same-origin.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RefreshCookie } from './refresh-cookie.js';

/** `?mode=cookie` is for browsers: the refresh token stays where no script reads it. Programs keep it themselves. */
export const refreshModeQuery = z.strictObject({ mode: z.enum(['body', 'cookie']).default('body') });
export type RefreshModeQuery = z.output<typeof refreshModeQuery>;
export type RefreshMode = RefreshModeQuery['mode'];

/** Of a refresh and a sign-out; in a browser there is no body. */
export const refreshInput = z.strictObject({ refreshToken: z.string().min(1).max(4_096).optional() }).optional();
export type RefreshInput = z.output<typeof refreshInput>;

export type HandedOver<Answer extends { refreshToken: string }> = Omit<Answer, 'refreshToken'> & {
  refreshToken?: string;
};

/** How a refresh token goes out and comes back, the same at edge and hub. */
export class RefreshHandOver {
  private readonly cookie: RefreshCookie;

  constructor(
    program: 'edge' | 'hub',
    private readonly lifetimeS: number,
  ) {
    this.cookie = new RefreshCookie(program);
  }

  /** To be asked before anything is decided. @throws Problem `foreign-origin` when a page of another host asks a browser to keep or use our cookie */
  assertOwnPage(request: Pick<FastifyRequest, 'headers'>, { mode }: RefreshModeQuery): void {
    if (mode === 'cookie') assertSameOrigin(request);
  }

  /** @throws Problem `foreign-origin` */
  presented(
    request: Pick<FastifyRequest, 'headers'>,
    input: RefreshInput,
    query: RefreshModeQuery,
  ): string | undefined {
    return query.mode === 'body' ? input?.refreshToken : this.held(request, query);
  }

  /** What a browser holds already; programs hold nothing for us. @throws Problem `foreign-origin` */
  held(request: Pick<FastifyRequest, 'headers'>, { mode }: RefreshModeQuery): string | undefined {
    this.assertOwnPage(request, { mode });
    return mode === 'cookie' ? this.cookie.tokenOf(request) : undefined;
  }

  give<Answer extends { refreshToken: string }>(
    reply: FastifyReply,
    { refreshToken, ...rest }: Answer,
    { mode }: RefreshModeQuery,
  ): HandedOver<Answer> {
    if (mode === 'body') return { ...rest, refreshToken };
    reply.header('set-cookie', this.cookie.holding(refreshToken, this.lifetimeS));
    return rest;
  }

  takeBack(reply: FastifyReply, { mode }: RefreshModeQuery): void {
    if (mode === 'cookie') reply.header('set-cookie', this.cookie.cleared());
  }
}

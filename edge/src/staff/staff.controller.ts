import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PasswordHasher } from '@branchline/access/password.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { clearedRefreshCookie, refreshCookie, refreshTokenOfCookie } from '@branchline/access/refresh-cookie.js';
import { Allow, AllowAny, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { assertSameOrigin } from '@branchline/http/same-origin.js';
import { body, query } from '@branchline/http/schema.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { CLOCK, NEW_ID } from '../clock.js';
import { Store } from '../store/store.js';
import { endSession, REFRESH_LIFETIME_MS } from './session.js';
import { refreshSignIn, signInByPin, type SignedIn, type SignInParts } from './sign-in.js';

const pinInput = z.strictObject({ operator: text(64), pin: z.string().regex(/^\d{4,12}$/, 'expected 4 to 12 digits') });
type PinInput = z.output<typeof pinInput>;

const tokenInput = z.strictObject({ refreshToken: z.string().min(1).max(200).optional() }).optional();
type TokenInput = z.output<typeof tokenInput>;

const modeQuery = z.strictObject({ mode: z.enum(['body', 'cookie']).default('body') });
type ModeQuery = z.output<typeof modeQuery>;

type SignInAnswer = Omit<SignedIn, 'refreshToken'> & { refreshToken?: string };

/** Sign-in of operators. Programs keep the refresh token themselves; for a browser it stays in a cookie no script reads. */
@ApiTags('staff')
@Controller('v1/auth')
export class StaffController {
  constructor(
    private readonly store: Store,
    private readonly hasher: PasswordHasher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: () => string,
  ) {}

  @Post('pin')
  @HttpCode(200)
  @Allow({ by: 'device' })
  async pin(
    @body(pinInput) input: PinInput,
    @query(modeQuery) { mode }: ModeQuery,
    @CurrentPrincipal('device') device: PrincipalOf<'device'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInAnswer> {
    return handedOver(await signInByPin(this.parts(), input, device), mode, reply);
  }

  @Post('refresh')
  @HttpCode(200)
  @AllowAny('the refresh token is the proof')
  async refresh(
    @body(tokenInput) input: TokenInput,
    @query(modeQuery) { mode }: ModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignInAnswer> {
    const token = presentedToken(request, input, mode);
    if (token === undefined) throw problem('unauthenticated');
    return handedOver(await refreshSignIn(this.parts(), token), mode, reply);
  }

  @Post('logout')
  @HttpCode(204)
  @AllowAny('whoever holds the refresh token may end it')
  async logout(
    @body(tokenInput) input: TokenInput,
    @query(modeQuery) { mode }: ModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const token = presentedToken(request, input, mode);
    const nowMs = this.clock.now();
    if (token !== undefined) await this.store.writer.local('logout', (tx) => endSession(tx, token, nowMs));
    if (mode === 'cookie') reply.header('set-cookie', clearedRefreshCookie());
  }

  private parts(): SignInParts {
    const { store, hasher, newId } = this;
    return { store, hasher, newId, random: randomBytes, nowMs: this.clock.now() };
  }
}

/** @throws Problem foreign-origin when a page of another host asks a browser to use its cookie */
function presentedToken(request: FastifyRequest, input: TokenInput, mode: ModeQuery['mode']): string | undefined {
  if (mode === 'body') return input?.refreshToken;
  assertSameOrigin(request);
  return refreshTokenOfCookie(request);
}

function handedOver({ refreshToken, ...rest }: SignedIn, mode: ModeQuery['mode'], reply: FastifyReply): SignInAnswer {
  if (mode === 'body') return { ...rest, refreshToken };
  reply.header('set-cookie', refreshCookie(refreshToken, REFRESH_LIFETIME_MS / 1000));
  return rest;
}

import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { PasswordHasher } from '@branchline/access/password.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import {
  RefreshHandOver,
  refreshInput,
  refreshModeQuery,
  type HandedOver,
  type RefreshInput,
  type RefreshModeQuery,
} from '@branchline/access/refresh-hand-over.js';
import { Allow, AllowAny, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { documented } from '@branchline/http/documented.js';
import { text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
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

const handOver = new RefreshHandOver('edge', REFRESH_LIFETIME_MS / 1000);

/** Sign-in of operators. */
@documented('staff')
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
    @query(refreshModeQuery) mode: RefreshModeQuery,
    @CurrentPrincipal('device') device: PrincipalOf<'device'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HandedOver<SignedIn>> {
    return handOver.give(reply, await signInByPin(this.parts(), input, device), mode);
  }

  @Post('refresh')
  @HttpCode(200)
  @AllowAny('the refresh token is the proof')
  async refresh(
    @body(refreshInput) input: RefreshInput,
    @query(refreshModeQuery) mode: RefreshModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HandedOver<SignedIn>> {
    const token = handOver.presented(request, input, mode);
    if (token === undefined) throw problem('unauthenticated');
    return handOver.give(reply, await refreshSignIn(this.parts(), token), mode);
  }

  @Post('logout')
  @HttpCode(204)
  @AllowAny('whoever holds the refresh token may end it')
  async logout(
    @body(refreshInput) input: RefreshInput,
    @query(refreshModeQuery) mode: RefreshModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const token = handOver.presented(request, input, mode);
    const nowMs = this.clock.now();
    if (token !== undefined) await this.store.writer.write(endSession, { token, nowMs });
    handOver.takeBack(reply, mode);
  }

  private parts(): SignInParts {
    const { store, hasher, newId } = this;
    return { store, hasher, newId, random: randomBytes, nowMs: this.clock.now() };
  }
}

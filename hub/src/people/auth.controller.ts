import { Controller, HttpCode, Inject, Logger, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
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
import { Problem, problem } from '@branchline/http/problem.js';
import { body, query } from '@branchline/http/schema.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { emailSchema } from './create-person.js';
import { refresh, signOut } from './refresh.js';
import {
  createSignInLink,
  followedLink,
  linkInput,
  signInByLink,
  type CreatedLink,
  type FollowedLink,
  type LinkInput,
} from './sign-in-links.js';
import { REFRESH_MS_MAX, signIn, type SignInParts, type SignedIn } from './sign-in.js';

export const SIGN_IN_PARTS = Symbol('sign-in parts');

const loginBody = z.strictObject({ email: emailSchema, password: z.string().min(1).max(200) });
const handOver = new RefreshHandOver('hub', REFRESH_MS_MAX / 1000);

/** People of head office only: boxes and tills have doors of their own. */
@ApiTags('auth')
@Controller('v1/auth')
export class AuthController {
  private readonly logger = new Logger('sign-in');

  constructor(@Inject(SIGN_IN_PARTS) private readonly parts: SignInParts) {}

  @Post('login')
  @HttpCode(200)
  @AllowAny('one signs in here')
  async login(
    @body(loginBody) input: z.infer<typeof loginBody>,
    @query(refreshModeQuery) mode: RefreshModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HandedOver<SignedIn>> {
    handOver.assertOwnPage(request, mode);
    const signedIn = await this.told('password', request, () => signIn(this.parts, input, request.ip));
    return handOver.give(reply, signedIn, mode);
  }

  @Post('links')
  @Allow({ by: 'person' })
  @ApiBearerAuth()
  link(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @body(linkInput) input: LinkInput,
  ): Promise<CreatedLink> {
    return this.parts.database.transaction(who.tenantId, (tx) => createSignInLink(tx, this.parts, who, input));
  }

  @Post('link')
  @HttpCode(200)
  @AllowAny('the code of the link is the proof')
  async byLink(
    @body(followedLink) link: FollowedLink,
    @query(refreshModeQuery) mode: RefreshModeQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<HandedOver<SignedIn>> {
    const held = handOver.held(request, mode);
    const signedIn = await this.told('link', request, () => signInByLink(this.parts, link, request.ip, held));
    return handOver.give(reply, signedIn, mode);
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
    return handOver.give(reply, await refresh(this.parts, token), mode);
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
    if (token !== undefined) await signOut(this.parts, token);
    handOver.takeBack(reply, mode);
  }

  /** Every sign-in leaves a line, also one that was refused; neither password nor code is in it. */
  private async told(
    by: 'password' | 'link',
    { ip }: FastifyRequest,
    work: () => Promise<SignedIn>,
  ): Promise<SignedIn> {
    try {
      const signedIn = await work();
      this.logger.log({ event: 'signed-in', by, person: signedIn.person.email, address: ip });
      return signedIn;
    } catch (error) {
      if (error instanceof Problem) this.logger.warn({ event: 'sign-in-refused', by, reason: error.code, address: ip });
      throw error;
    }
  }
}

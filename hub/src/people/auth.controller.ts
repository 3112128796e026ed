import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AllowAny } from '@branchline/access/route-access.js';
import { body } from '@branchline/http/schema.js';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { emailSchema } from './create-person.js';
import { refresh, signOut } from './refresh.js';
import { signIn, type SignInParts, type SignedIn } from './sign-in.js';

export const SIGN_IN_PARTS = Symbol('sign-in parts');

const loginBody = z.strictObject({ email: emailSchema, password: z.string().min(1).max(200) });
const refreshBody = z.strictObject({ refreshToken: z.string().min(1).max(4_096) });

/** People of head office only: boxes and tills have doors of their own. */
@ApiTags('auth')
@Controller('v1/auth')
export class AuthController {
  constructor(@Inject(SIGN_IN_PARTS) private readonly parts: SignInParts) {}

  @Post('login')
  @HttpCode(200)
  @AllowAny('one signs in here')
  login(@body(loginBody) input: z.infer<typeof loginBody>, @Req() request: FastifyRequest): Promise<SignedIn> {
    return signIn(this.parts, input, request.ip);
  }

  @Post('refresh')
  @HttpCode(200)
  @AllowAny('the refresh token in the body is the proof')
  refresh(@body(refreshBody) input: z.infer<typeof refreshBody>): Promise<SignedIn> {
    return refresh(this.parts, input.refreshToken);
  }

  @Post('logout')
  @HttpCode(204)
  @AllowAny('the refresh token in the body is the proof')
  logout(@body(refreshBody) input: z.infer<typeof refreshBody>): Promise<void> {
    return signOut(this.parts, input.refreshToken);
  }
}

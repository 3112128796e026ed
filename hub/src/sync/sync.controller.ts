import { Controller, Headers, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, AllowAny, CurrentPrincipal } from '@branchline/access/route-access.js';
import { PROBLEM_MEDIA_TYPE, Problem, problem } from '@branchline/http/problem.js';
import { body } from '@branchline/http/schema.js';
import {
  enrolRequestSchema,
  helloRequestSchema,
  tokenRequestSchema,
  type EnrolAnswer,
  type HelloAnswer,
  type HelloRequest,
} from '@branchline/replication/box-protocol.js';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { PUSH_MEDIA_TYPE, type PushAnswer } from '@branchline/replication/push.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { enrolBox } from './enrol-box.js';
import { hello } from './hello.js';
import { giveNonce, giveToken } from './issue-token.js';
import { spokenIn } from './spoken.js';
import { takePush } from './take-push.js';
import { SYNC_PARTS, type SyncParts } from './sync-parts.js';

/** For boxes only. Who a box is and whose branch it serves comes from its token, never from what it sends. */
@ApiTags('sync')
@Controller('sync/v1')
export class SyncController {
  constructor(@Inject(SYNC_PARTS) private readonly parts: SyncParts) {}

  @Post('enrol')
  @HttpCode(200)
  @AllowAny('the one-time code is the proof')
  async enrol(
    @body(enrolRequestSchema) request: z.infer<typeof enrolRequestSchema>,
    @Req() sent: FastifyRequest,
  ): Promise<EnrolAnswer> {
    // Before the code is spent: a box that cannot speak with this hub is to be upgraded first.
    spokenIn(sent);
    const { ip } = sent;
    const { throttle } = this.parts;
    throttle.check(ip);
    try {
      return await enrolBox(this.parts, request);
    } catch (error) {
      if (error instanceof Problem && error.code === 'code-invalid') throttle.fail(ip);
      throw error;
    }
  }

  @Post('token')
  @HttpCode(200)
  @AllowAny('the box proves itself by its signature')
  async token(@body(tokenRequestSchema) request: z.infer<typeof tokenRequestSchema>): Promise<unknown> {
    if (!('nonce' in request)) return giveNonce(this.parts, request.box);
    return giveToken(this.parts, request);
  }

  @Post('hello')
  @HttpCode(200)
  @Allow({ by: 'box' })
  @ApiBearerAuth()
  hello(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @body(helloRequestSchema) request: HelloRequest,
  ): Promise<HelloAnswer> {
    return hello(this.parts, box, request);
  }

  @Post('push')
  @HttpCode(200)
  @Allow({ by: 'box' })
  @ApiBearerAuth()
  @ApiConsumes(PUSH_MEDIA_TYPE, PACKED_PUSH_MEDIA_TYPE)
  @ApiBody({
    description:
      'A header line and the journal lines, as they are or packed by @branchline/replication; content-encoding br, gzip or identity.',
    schema: { type: 'string' },
  })
  async push(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @Req() { body: bytes }: FastifyRequest,
    @Headers('content-type') mediaType: string,
    @Headers('content-encoding') encoding: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PushAnswer | string> {
    if (!Buffer.isBuffer(bytes)) throw problem('unsupported-media-type', `A push is ${PUSH_MEDIA_TYPE}.`);
    const sent = { bytes, mediaType, encoding };
    const outcome = await this.parts.lane.work(box.boxId, bytes.length, () => takePush(this.parts, box, sent));
    if ('answer' in outcome) return outcome.answer;
    void reply.code(outcome.refusal.status).type(PROBLEM_MEDIA_TYPE);
    return JSON.stringify(outcome.refusal);
  }
}

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { sendProblem } from '@branchline/http/problem-filter.js';
import { Problem, problem } from '@branchline/http/problem.js';
import { PUSH_BODY_BYTES_MAX } from '@branchline/replication/push.js';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BoxTokens } from './box-tokens.js';
import { HeldAnswers } from './held-answers.js';
import { PushLane, busy } from './push-lane.js';
import { PushTroubles } from './push-troubles.js';

export const PUSH_PATH = '/sync/v1/push';

/**
 * Lets a push in before its body is read: guards come after. Decides about room, and that only one who bears a token of
 * ours takes any; whether the token still counts is for the guard.
 */
@Injectable()
export class PushAdmission implements OnModuleInit {
  private readonly held = new HeldAnswers();

  constructor(
    private readonly adapter: HttpAdapterHost,
    private readonly lane: PushLane,
    private readonly tokens: BoxTokens,
    private readonly troubles: PushTroubles,
  ) {}

  onModuleInit(): void {
    const fastify = this.adapter.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onRequest', (request, reply, done) => {
      if (request.routeOptions.url !== PUSH_PATH || this.admit(request, reply)) done();
    });
  }

  private admit(request: FastifyRequest, reply: FastifyReply): boolean {
    const box = this.tokens.signedBox(request);
    if (box === null) {
      sendProblem(
        reply,
        problem('unauthenticated', undefined, { headers: { 'www-authenticate': 'Bearer', connection: 'close' } }),
      );
      return false;
    }
    const rest = this.restOf(box);
    if (rest !== null) {
      if (!this.holds(box, reply, rest)) hangUp(request, reply);
      return false;
    }
    const bytes = announcedBytes(request);
    const leave = this.lane.admit(box, bytes);
    if (leave === null) {
      const full = busy({ connection: 'close' });
      if (!this.lane.hasItsShare(box, bytes) || !this.holds(box, reply, full)) sendProblem(reply, full);
      return false;
    }
    // Sent, cut off or failed: every answer and every broken connection ends so.
    reply.raw.once('close', leave);
    return true;
  }

  private restOf(box: string): Problem | null {
    try {
      this.troubles.check(box);
      return null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const headers = { ...error.headers, connection: 'close' };
      return problem(error.code, 'Too many pushes of this box were no good.', { headers });
    }
  }

  /** Of the box's own doing: it waits for the answer, so that asking again at once costs nobody else. */
  private holds(box: string, reply: FastifyReply, why: Problem): boolean {
    const forget = this.held.hold(box, () => sendProblem(reply, why));
    if (forget === null) return false;
    reply.raw.once('close', forget);
    return true;
  }
}

function hangUp({ raw }: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  raw.socket.destroy();
}

/** One that does not say how long it is may become as long as any; one that says more is refused before it is read. */
function announcedBytes({ headers }: FastifyRequest): number {
  const bytes = Number(headers['content-length'] ?? PUSH_BODY_BYTES_MAX);
  return Math.min(bytes, PUSH_BODY_BYTES_MAX);
}

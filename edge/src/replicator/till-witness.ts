import type { OnModuleInit } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { Authenticators } from '@branchline/access/principal.js';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Store } from '../store/store.js';
import type { Replicator } from './replicator.js';
import { isAheadOf, JOURNAL_HEADER, journalHeader, parseSeen, SEEN_HEADER, type SeenByTill } from './seen-lines.js';

/**
 * Tills are witnesses: with whatever they ask they may say the highest line that they were told, and are answered with
 * where the journal stands. Looked at before any handler writes, on every route; one who says nothing pays nothing.
 */
export class TillWitness implements OnModuleInit {
  constructor(
    private readonly adapter: HttpAdapterHost,
    private readonly store: Store,
    private readonly replicator: Pick<Replicator, 'tillIsAhead'>,
    private readonly authenticators: Authenticators,
  ) {}

  onModuleInit(): void {
    const fastify = this.adapter.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onRequest', (request, _reply, done) => {
      const seen = seenBy(request);
      if (seen === null || !isAheadOf(this.store.reads, seen)) return done();
      this.note(request, seen).then(() => done(), done);
    });
    fastify.addHook('onSend', (request, reply, payload, done) => {
      const stands = request.headers[SEEN_HEADER] === undefined ? null : journalHeader(this.store.reads);
      if (stands !== null) void reply.header(JOURNAL_HEADER, stands);
      done(null, payload);
    });
  }

  /** Only of one who proves to be a till, or who stands at one: others are for the guard to turn away. */
  private async note(request: FastifyRequest, seen: SeenByTill): Promise<void> {
    const device = await this.deviceOf(request);
    if (device !== null) await this.replicator.tillIsAhead(seen, device);
  }

  private async deviceOf(request: FastifyRequest): Promise<string | null> {
    for (const prove of [this.authenticators.operator, this.authenticators.device]) {
      try {
        const principal = await prove?.(request);
        if (principal?.kind === 'operator' || principal?.kind === 'device') return principal.deviceId;
      } catch {
        // The guard says so, in its own words.
      }
    }
    return null;
  }
}

function seenBy({ headers }: FastifyRequest): SeenByTill | null {
  const header = headers[SEEN_HEADER];
  return typeof header === 'string' ? parseSeen(header) : null;
}

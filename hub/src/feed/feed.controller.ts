import { Controller, Get, Headers, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { queryInt } from '@branchline/http/fields.js';
import { param, query } from '@branchline/http/schema.js';
import { scopeSchema } from '@branchline/replication/feed.js';
import { hash } from '@branchline/replication/kinds/fields.js';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Database, together } from '../database/unit-of-work.js';
import { FEED_LANE, ReadLane } from '../sync/read-lane.js';
import { FeedPages } from './feed-pages.js';
import { assertOwnScope } from './own-scope.js';
import { assertOnFeed, feedStand } from './read-feed.js';

const feedQuery = z.strictObject({ after: queryInt(0, Number.MAX_SAFE_INTEGER).default(0), hash: hash.optional() });

@ApiTags('sync')
@Controller('sync/v1/feed')
export class FeedController {
  private readonly lane = new ReadLane(FEED_LANE);

  constructor(
    private readonly database: Database,
    private readonly pages: FeedPages,
  ) {}

  @Get(':scope')
  @Allow({ by: 'box' })
  async read(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @param('scope', scopeSchema) scope: string,
    @query(feedQuery) { after, hash }: z.infer<typeof feedQuery>,
    @Headers('accept-encoding') accepted: string | undefined,
    @Headers('if-none-match') known: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { bytes, encoding, etag } = await this.lane.read(box, async () => {
      const stand = await this.database.transaction(box.tenantId, async (tx) => {
        const [, there] = await together(assertOwnScope(tx, box.branchId, scope), feedStand(tx, scope, after));
        return there;
      });
      assertOnFeed(stand, { number: after, hash });
      return this.pages.page(box.tenantId, stand, after, accepted);
    });
    void reply.headers({
      etag,
      // For this box alone, and asked about each time: a restored hub may have other records under the same numbers.
      'cache-control': 'private, no-cache',
      vary: 'accept-encoding, authorization',
      ...(encoding !== null && { 'content-encoding': encoding }),
    });
    if (known === etag) await reply.code(304).send();
    else await reply.type('application/json; charset=utf-8').send(bytes);
  }
}

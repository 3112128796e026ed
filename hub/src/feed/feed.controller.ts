import { Controller, Get, Headers, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { queryInt } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { param, query } from '@branchline/http/schema.js';
import { scopeSchema, type FeedPage } from '@branchline/replication/feed.js';
import { hash } from '@branchline/replication/kinds/fields.js';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { BranchRow } from '../branches/branch.row.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { compressed } from './compress.js';
import { readFeed } from './read-feed.js';
import { scopesOfBranch } from './scopes.js';

const feedQuery = z.strictObject({ after: queryInt(0, Number.MAX_SAFE_INTEGER).default(0), hash: hash.optional() });

@ApiTags('sync')
@Controller('sync/v1/feed')
export class FeedController {
  constructor(private readonly database: Database) {}

  @Get(':scope')
  @Allow({ by: 'box' })
  async read(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @param('scope', scopeSchema) scope: string,
    @query(feedQuery) { after, hash }: z.infer<typeof feedQuery>,
    @Headers('accept-encoding') accepted: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const page = await this.database.transaction(box.tenantId, (tx) =>
      readFor(tx, box.branchId, scope, { number: after, hash }),
    );
    const { encoding, bytes } = await compressed(Buffer.from(JSON.stringify(page), 'utf8'), accepted);
    if (encoding !== undefined) void reply.header('content-encoding', encoding);
    await reply.type('application/json; charset=utf-8').header('vary', 'accept-encoding').send(bytes);
  }
}

/** A box reads the scopes of its own branch and no other's; which those are the hub says, not the box. */
async function readFor(
  tx: Tx,
  branchId: string,
  scope: string,
  after: { number: number; hash?: string },
): Promise<FeedPage> {
  const branch = await tx.manager.findOneByOrFail(BranchRow, { id: branchId });
  if (!scopesOfBranch(branch).includes(scope)) throw problem('not-yours', `${scope} is no scope of this branch.`);
  return readFeed(tx, scope, after);
}

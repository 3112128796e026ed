import { Body, Controller, Get, HttpCode, Inject, Logger, Post, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { code, queryInt, uuid } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { openApiOf, param, query } from '@branchline/http/schema.js';
import { spool, streamedBody } from '@branchline/http/spool.js';
import { BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { actorOf } from '../audit/record-audit.js';
import { Snapshots } from '../feed/snapshots.js';
import { SNAPSHOT_PLACE } from '../providers.js';
import { SYNC_PARTS, type SyncParts } from '../sync/sync-parts.js';
import type { Carrier } from './bundle-box.js';
import { BUNDLE_OUT_BYTES_MIN, makeBundle } from './make-bundle.js';
import type { BundleParts } from './bundle-parts.js';
import { bundleTakenSchema, takeBundle, type BundleTaken } from './take-bundle.js';

type Who = PrincipalOf<'person'>;
const boxQuery = z.strictObject({
  box: uuid.optional(),
  bytesMax: queryInt(BUNDLE_OUT_BYTES_MIN, BUNDLE_BYTES_MAX).default(BUNDLE_BYTES_MAX),
});

/** Of files of a gigabyte each; a store brings one in days. */
const AT_ONCE_MAX = 4;
const RETRY_AFTER_S = 30;

/** For stores with no line: what they wrote is carried in, what head office has for them is carried out. */
@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1/bundles')
export class BundlesController {
  private inHand = 0;

  private readonly parts: BundleParts;

  constructor(
    @Inject(SYNC_PARTS) parts: SyncParts,
    @Inject(SNAPSHOT_PLACE) private readonly place: string,
    snapshots: Snapshots,
  ) {
    this.parts = { ...parts, snapshots, logger: new Logger('bundles') };
  }

  @Post()
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'fleet.carry' })
  @ApiConsumes(BUNDLE_MEDIA_TYPE)
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOkResponse({ schema: openApiOf(bundleTakenSchema) })
  @ApiOperation({
    summary: 'Takes in a sealed bundle that a box has written',
    description:
      'Proved whole before any of it counts; then every push of it as if it had come by line. The same bundle, an older one, or one that overlaps, does no harm.',
  })
  async take(@CurrentPrincipal('person') who: Who, @Body() body: unknown): Promise<BundleTaken> {
    const source = streamedBody(body, BUNDLE_MEDIA_TYPE);
    if (this.inHand >= AT_ONCE_MAX)
      throw problem('busy', 'Too many bundles at once.', { headers: { 'retry-after': `${RETRY_AFTER_S}` } });
    this.inHand += 1;
    try {
      const spooled = await spool(source, this.place, BUNDLE_BYTES_MAX);
      try {
        return await takeBundle(this.parts, carrierOf(who), spooled.path);
      } finally {
        await spooled.remove();
      }
    } finally {
      this.inHand -= 1;
    }
  }

  @Get(':branch')
  @Allow({ by: 'person', ability: 'fleet.carry' })
  @ApiProduces(BUNDLE_MEDIA_TYPE)
  @ApiOperation({
    summary: 'A sealed bundle for a box of the branch: what it has not got yet, by its own last bundle',
    description:
      'Not larger than `bytesMax`; what does not fit comes with the next, once the box has said how far it got.',
  })
  async make(
    @CurrentPrincipal('person') who: Who,
    @param('branch', code) branchCode: string,
    @query(boxQuery) { box, bytesMax }: z.infer<typeof boxQuery>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const made = await makeBundle(this.parts, carrierOf(who), { branchCode, box, bytesMax });
    const name = `${branchCode}-${made.bundle}-down.bundle`;
    // One that breaks off on the way is refused by the box: its signature comes last.
    await reply
      .type(BUNDLE_MEDIA_TYPE)
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(made.bytes, { objectMode: false }));
  }
}

function carrierOf(who: Who): Carrier {
  return { actor: actorOf(who), tenantId: who.tenantId, grants: who.grants };
}

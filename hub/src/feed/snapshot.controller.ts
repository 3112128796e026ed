import { Controller, Get, Headers, Res, type OnModuleDestroy } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { problem } from '@branchline/http/problem.js';
import { param } from '@branchline/http/schema.js';
import { scopeSchema } from '@branchline/replication/feed.js';
import { SNAPSHOT_HEADER, SNAPSHOT_MEDIA_TYPE } from '@branchline/replication/snapshot.js';
import type { FastifyReply } from 'fastify';
import { Database } from '../database/unit-of-work.js';
import { ReadLane, SNAPSHOT_LANE } from '../sync/read-lane.js';
import { byteRange } from './byte-range.js';
import { encodingFor } from './compress.js';
import { assertOwnScope } from './own-scope.js';
import { feedStand, type FeedStand } from './read-feed.js';
import { cutWhenSlow } from './slow-reader.js';
import { Snapshots } from './snapshots.js';

type Asked = { accepted: string | undefined; range: string | undefined; ifRange: string | undefined };

@ApiTags('sync')
@ApiBearerAuth()
@Controller('sync/v1/snapshot')
export class SnapshotController implements OnModuleDestroy {
  private readonly lane = new ReadLane(SNAPSHOT_LANE);

  constructor(
    private readonly database: Database,
    private readonly snapshots: Snapshots,
  ) {}

  onModuleDestroy(): Promise<void> {
    return this.snapshots.close();
  }

  @Get(':scope')
  @Allow({ by: 'box' })
  @ApiProduces(SNAPSHOT_MEDIA_TYPE)
  @ApiOperation({
    summary: 'What stands in a scope, as a SQLite file; the feed goes on from its number',
    description:
      'With Range and If-Range, of the file as it is encoded (br or as it is). `branchline-snapshot` says what the file is: number, hash, records, bytes, sha256.',
  })
  async read(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @param('scope', scopeSchema) scope: string,
    @Headers('accept-encoding') accepted: string | undefined,
    @Headers('range') range: string | undefined,
    @Headers('if-range') ifRange: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const leave = await this.lane.enter(box);
    // Sent, cut off or failed: every answer and every broken connection ends so.
    reply.raw.once('close', leave);
    if (reply.raw.destroyed) return leave();
    const stand = await this.database.transaction(box.tenantId, async (tx) => {
      await assertOwnScope(tx, box.branchId, scope);
      return feedStand(tx, scope, 0);
    });
    await this.send(box.tenantId, stand, { accepted, range, ifRange }, reply);
  }

  private async send(
    tenantId: string,
    stand: FeedStand,
    { accepted, range, ifRange }: Asked,
    reply: FastifyReply,
  ): Promise<void> {
    const isBrotli = encodingFor(accepted) === 'br';
    const { snapshot, file, handle } = await this.snapshots.open(tenantId, stand, isBrotli);
    const etag = `"${file.sha256}"`;
    const part = byteRange({ range, ifRange }, { bytes: file.bytes, etag });
    if (part === 'none') {
      await handle.close();
      throw problem('range-not-satisfiable', undefined, { headers: { 'content-range': `bytes */${file.bytes}` } });
    }
    const { start, end } = part === 'whole' ? { start: 0, end: file.bytes - 1 } : part;
    if (part !== 'whole') void reply.code(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`);
    void reply.type(SNAPSHOT_MEDIA_TYPE).headers({
      etag,
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      'cache-control': 'private, no-cache',
      vary: 'accept-encoding, authorization',
      [SNAPSHOT_HEADER]: JSON.stringify(snapshot.facts),
      ...(isBrotli && { 'content-encoding': 'br' }),
    });
    // It closes the handle, also when the box hangs up.
    const stream = handle.createReadStream({ start, end });
    cutWhenSlow(reply.raw, stream);
    void reply.send(stream);
  }
}

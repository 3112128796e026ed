import { Controller, Get, Headers, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { queryInt, uuid } from '@branchline/http/fields.js';
import { query } from '@branchline/http/schema.js';
import { PUSH_MEDIA_TYPE } from '@branchline/replication/push.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Database } from '../database/unit-of-work.js';
import { compressed, encodingFor } from '../feed/compress.js';
import { LINES_LANE, ReadLane } from './read-lane.js';
import { readLines } from './read-lines.js';
import { spokenIn } from './spoken.js';

const linesQuery = z.strictObject({ incarnation: uuid, from: queryInt(1, Number.MAX_SAFE_INTEGER) });

@ApiTags('sync')
@ApiBearerAuth()
@Controller('sync/v1/lines')
export class LinesController {
  private readonly lane = new ReadLane(LINES_LANE);

  constructor(private readonly database: Database) {}

  @Get()
  @Allow({ by: 'box' })
  @ApiProduces(PUSH_MEDIA_TYPE)
  @ApiOperation({
    summary: 'Lines of one history of the box’s own branch, also of its other boxes',
    description:
      'As a push: a header line and the lines from `from` on, up to a head that the history’s own box has signed. A page of some 1,000 lines or 4 MiB.',
  })
  async read(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @query(linesQuery) { incarnation, from }: z.infer<typeof linesQuery>,
    @Headers('accept-encoding') accepted: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { encoding, bytes } = await this.lane.read(box, async () => {
      const page = await this.database.transaction(box.tenantId, (tx) =>
        readLines(tx, box.branchId, { incarnation, fromSeq: from, protocol: spokenIn(request) }),
      );
      return compressed(page, encodingFor(accepted));
    });
    if (encoding !== null) void reply.header('content-encoding', encoding);
    await reply.type(PUSH_MEDIA_TYPE).header('vary', 'accept-encoding').send(bytes);
  }
}

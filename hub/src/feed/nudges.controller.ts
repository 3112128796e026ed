import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { tokenExpiresAtMs } from '@branchline/access/jwt-strategy.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { NUDGES_MEDIA_TYPE } from '@branchline/replication/nudge.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OutgoingHttpHeaders } from 'node:http';
import { Nudges } from './nudges.js';

@ApiTags('sync')
@ApiBearerAuth()
@Controller('sync/v1/nudges')
export class NudgesController {
  constructor(private readonly nudges: Nudges) {}

  @Get()
  @Allow({ by: 'box' })
  @ApiProduces(NUDGES_MEDIA_TYPE)
  @ApiOperation({
    summary: 'Server-sent events: `pull` when a scope of this box has something new',
    description:
      'Carries no data and may lose any event: the poll of the feed always follows. A comment comes every 15 s. One stream a box: a second ends the first. ' +
      'Ends when the token expires or the box is revoked.',
  })
  async open(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.nudges.assertRoom(box);
    const scopes = await this.nudges.scopesOf(box);
    if (request.raw.destroyed || reply.raw.destroyed) return;
    // From here on the answer is ours: Fastify would wait for its end, and Nest's own streams know of no limit to what is not read.
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': NUDGES_MEDIA_TYPE,
      // Proxies that gather answers before they hand them on would gather for ever.
      'x-accel-buffering': 'no',
      connection: 'close',
    });
    raw.socket?.setNoDelay(true);
    raw.socket?.setKeepAlive(true, 30_000);
    const leave = this.nudges.open(box, scopes, tokenExpiresAtMs(request), raw);
    raw.on('error', leave);
    raw.once('close', leave);
  }
}

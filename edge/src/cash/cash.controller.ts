import { Controller, Get, Header, Post, Req, Res } from '@nestjs/common';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import { uuid } from '@branchline/http/fields.js';
import { body, param } from '@branchline/http/schema.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LongReads } from '../long-reads.js';
import { replyStatus } from '../replay-header.js';
import { JSON_TYPE, type JsonText } from '../store/read-job.js';
import { Reader } from '../store/reader.js';
import { Store } from '../store/store.js';
import {
  closeInput,
  dayParam,
  sealInput,
  shiftInput,
  type CloseInput,
  type SealInput,
  type ShiftInput,
} from './cash-input.js';
import { closeShiftWithZ } from './close-shift.js';
import { openShift, type ShiftAnswer } from './open-shift.js';
import { sealDay, type SealAnswer } from './seal-day.js';
import type { XReport, ZAnswer } from './x-report.js';

@documented('cash', { bearer: true })
@Controller('v1')
export class CashController {
  constructor(
    private readonly store: Store,
    private readonly reader: Reader<LongReads>,
  ) {}

  @Post('shifts')
  @Allow({ by: 'operator', ability: 'shift.open' })
  async open(
    @body(shiftInput) input: ShiftInput,
    @Req() request: FastifyRequest,
    @CurrentPrincipal('operator') who: PrincipalOf<'operator'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShiftAnswer> {
    const shift = {
      input,
      contentHash: contentHash(request.body as Record<string, unknown>),
      till: who.till,
      mayImport: abilityFor(who.grants).can('sale.import'),
    };
    const { answer, replayed } = await this.store.writer.execute(openShift, shift, writingAs(who));
    replyStatus(reply, replayed);
    return answer;
  }

  @Get('shifts/:id/x')
  @Allow({ by: 'operator', ability: 'shift.read' })
  @Header('content-type', JSON_TYPE)
  x(@param('id', uuid) id: string): Promise<JsonText<XReport>> {
    return this.reader.read('x-report', id);
  }

  @Post('shifts/:id/close')
  @Allow({ by: 'operator', ability: 'shift.close' })
  async close(
    @param('id', uuid) id: string,
    @body(closeInput) { declared }: CloseInput,
    @CurrentPrincipal('operator') who: PrincipalOf<'operator'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ZAnswer> {
    const shift = { id, declared, till: who.till };
    const { answer, replayed } = await this.store.writer.execute(closeShiftWithZ, shift, writingAs(who));
    replyStatus(reply, replayed);
    return answer;
  }

  @Post('days/:businessDate/seal')
  @Allow({ by: 'operator', ability: 'day.seal' })
  async seal(
    @param('businessDate', dayParam) businessDate: string,
    @body(sealInput.default({ tillsHolding: [] })) { tillsHolding }: SealInput,
    @CurrentPrincipal('operator') who: PrincipalOf<'operator'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SealAnswer> {
    const { answer, replayed } = await this.store.writer.execute(
      sealDay,
      { businessDate, tillsHolding: [...new Set(tillsHolding)] },
      writingAs(who),
    );
    replyStatus(reply, replayed);
    return answer;
  }
}

function writingAs(who: PrincipalOf<'operator'>): { actor: string; device: string } {
  return { actor: who.operator, device: who.deviceId };
}

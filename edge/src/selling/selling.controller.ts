import { Controller, Get, Header, HttpCode, Inject, Optional, Post, Req, Res } from '@nestjs/common';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import { code, uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LongReads } from '../long-reads.js';
import { replyStatus } from '../replay-header.js';
import { JSON_TYPE, jsonText, type JsonText } from '../store/read-job.js';
import { Reader } from '../store/reader.js';
import { Store } from '../store/store.js';
import { completeSale } from './complete-sale.js';
import { findSales, namesFewSales, salesQuery, type SalesQuery } from './find-sales.js';
import { getSale } from './get-sale.js';
import { IN_FLIGHT, NOTHING_IN_FLIGHT, type InFlight } from './in-flight.js';
import type { SaleAnswer } from './sale-answer.js';
import { saleInput, type SaleInput } from './sale-input.js';
import { batchInput, takeBatch, type BatchInput, type ItemResult } from './till-batch.js';

@documented('selling', { bearer: true })
@Controller('v1')
export class SellingController {
  private readonly inFlight: InFlight;

  constructor(
    private readonly store: Store,
    private readonly reader: Reader<LongReads>,
    @Optional() @Inject(IN_FLIGHT) inFlight?: InFlight,
  ) {
    this.inFlight = inFlight ?? NOTHING_IN_FLIGHT;
  }

  @Post('sales')
  @Allow({ by: 'operator', ability: 'sale.create' })
  async complete(
    @body(saleInput) input: SaleInput,
    @Req() request: FastifyRequest,
    @CurrentPrincipal('operator') who: PrincipalOf<'operator'>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SaleAnswer> {
    assertIdempotencyKey(request, input.id);
    const sale = {
      input,
      contentHash: contentHash(request.body as Record<string, unknown>),
      till: who.till,
      branchCode: this.store.box.branchCode,
      mayImport: abilityFor(who.grants).can('sale.import'),
    };
    const by = { actor: who.operator, device: who.deviceId };
    const { answer, replayed } = await this.store.writer.execute(completeSale, sale, by);
    replyStatus(reply, replayed);
    return answer;
  }

  @Get('sales')
  @Allow({ by: 'operator', ability: 'sale.read' })
  @Header('content-type', JSON_TYPE)
  async list(@query(salesQuery) filter: SalesQuery): Promise<JsonText<Page<SaleAnswer>>> {
    const { reads, box } = this.store;
    const read = { query: filter, branchCode: box.branchCode, inFlight: this.inFlight.linesInFlight() };
    return namesFewSales(filter) ? jsonText(findSales(reads, read)) : this.reader.read('find-sales', read);
  }

  @Get('sales/:id')
  @Allow({ by: 'operator', ability: 'sale.read' })
  one(@param('id', uuid) id: string): SaleAnswer {
    return getSale(this.store.reads, id, this.store.box.branchCode, this.inFlight.linesInFlight());
  }

  @Post('tills/:till/batch')
  @HttpCode(200)
  @Allow({ by: 'device' })
  async batch(
    @param('till', code) till: string,
    @body(batchInput) input: BatchInput,
    @CurrentPrincipal('device') who: PrincipalOf<'device'>,
  ): Promise<{ results: ItemResult[] }> {
    return { results: await takeBatch(this.store, till, input, who) };
  }
}

/** The id is the key; a header that says otherwise would make one sale two. */
function assertIdempotencyKey(request: FastifyRequest, id: string): void {
  const key = request.headers['idempotency-key'];
  if (key !== undefined && key !== id)
    throw problem('invalid-field', 'Idempotency-Key differs from the id of the sale');
}

import { Controller, Delete, Get, Header, Headers, HttpCode, Inject, Optional, Patch, Post, Res } from '@nestjs/common';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import { uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, parseWith, query } from '@branchline/http/schema.js';
import {
  customerChange,
  customerInput,
  type CustomerChange,
  type CustomerInput,
} from '@branchline/replication/customer-input.js';
import type { FastifyReply } from 'fastify';
import { v7 } from 'uuid';
import type { LongReads } from '../long-reads.js';
import { replyStatus } from '../replay-header.js';
import { JSON_TYPE, type JsonText } from '../store/read-job.js';
import { Reader } from '../store/reader.js';
import { Store } from '../store/store.js';
import { customersQuery, type CustomersQuery } from './find-customers.js';
import { getCustomer, type CustomerAnswer } from './get-customer.js';
import { HUB_CLOCK, type HubClock } from './hub-clock.js';
import { proposeEdit } from './propose-edit.js';

type Who = PrincipalOf<'operator'>;

/** Customers as this store knows them; with and without a line to the hub. */
@documented('customers', { bearer: true })
@Controller('v1/customers')
export class CustomersController {
  constructor(
    private readonly store: Store,
    private readonly reader: Reader<LongReads>,
    @Optional() @Inject(HUB_CLOCK) private readonly hubClock?: HubClock,
  ) {}

  @Get()
  @Allow({ by: 'operator', ability: 'customer.read' })
  @Header('content-type', JSON_TYPE)
  list(@query(customersQuery) asked: CustomersQuery): Promise<JsonText<Page<CustomerAnswer>>> {
    return this.reader.read('find-customers', asked);
  }

  @Get(':id')
  @Allow({ by: 'operator', ability: 'customer.read' })
  one(@param('id', uuid) id: string): CustomerAnswer {
    return getCustomer(this.store.reads, id);
  }

  @Post()
  @Allow({ by: 'operator', ability: 'customer.write' })
  async create(
    @body(customerInput) { id: customer, ...said }: CustomerInput,
    @CurrentPrincipal('operator') who: Who,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CustomerAnswer> {
    const { hubOffsetMs } = this;
    const { replayed } = await proposeEdit(
      this.store,
      { id: v7(), customer, op: 'create', said, hubOffsetMs },
      by(who),
    );
    replyStatus(reply, replayed);
    return getCustomer(this.store.reads, customer);
  }

  /** With `Idempotency-Key` (a UUID) a change that is said again is not made again. */
  @Patch(':id')
  @Allow({ by: 'operator', ability: 'customer.write' })
  async change(
    @param('id', uuid) customer: string,
    @body(customerChange) said: CustomerChange,
    @Headers('idempotency-key') key: string | undefined,
    @CurrentPrincipal('operator') who: Who,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CustomerAnswer> {
    const { hubOffsetMs } = this;
    const { replayed } = await proposeEdit(
      this.store,
      { id: editId(key), customer, op: 'edit', said, hubOffsetMs },
      by(who),
    );
    if (replayed) reply.header('idempotent-replay', 'true');
    return getCustomer(this.store.reads, customer);
  }

  @Delete(':id')
  @HttpCode(204)
  @Allow({ by: 'operator', ability: 'customer.write' })
  async remove(
    @param('id', uuid) customer: string,
    @Headers('idempotency-key') key: string | undefined,
    @CurrentPrincipal('operator') who: Who,
  ): Promise<void> {
    const { hubOffsetMs } = this;
    await proposeEdit(this.store, { id: editId(key), customer, op: 'delete', said: {}, hubOffsetMs }, by(who));
  }

  private get hubOffsetMs(): number | null {
    return this.hubClock?.hubOffsetMs() ?? null;
  }
}

const by = ({ operator, deviceId }: Who): { actor: string; device: string } => ({ actor: operator, device: deviceId });

function editId(key: string | undefined): string {
  if (key === undefined) return v7();
  if (!uuid.safeParse(key).success) throw problem('invalid-field', 'Idempotency-Key: expected a UUID in lower case');
  return parseWith(uuid, key);
}

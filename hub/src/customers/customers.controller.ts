import { Controller, Delete, Get, HttpCode, Inject, Patch, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import {
  officeCustomerChange,
  officeCustomerInput,
  valuesSaid,
  type CustomerValues,
  type OfficeCustomerChange,
  type OfficeCustomerInput,
} from '@branchline/replication/customer-input.js';
import type { z } from 'zod';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID, RANDOM_BYTES } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { eraseCustomer } from './erase-customer.js';
import { ErasureScrubber } from './erasure-scrubber.js';
import { regionsOf } from './customer-regions.js';
import { mergeCustomers, mergeInput } from './merge-customers.js';
import { editAtOffice, type OfficeEdit, type OfficeParts } from './office-edit.js';
import {
  customersQuery,
  listCustomers,
  readCustomer,
  type CustomerItem,
  type CustomersQuery,
  type LostValue,
} from './read-customers.js';

type Who = PrincipalOf<'person'>;

/** Whoever erases a person hears by then, whether or not the disk is clean. */
const ANSWER_MS_MAX = 3_000;

/** The chain's customers. Whoever has a region only has its customers only. */
@ApiTags('customers')
@ApiBearerAuth()
@Controller('v1/customers')
export class CustomersController {
  constructor(
    private readonly database: Database,
    private readonly secrets: HubSecrets,
    private readonly scrubber: ErasureScrubber,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
    @Inject(RANDOM_BYTES) private readonly randomBytes: (bytes: number) => Buffer,
  ) {}

  @Get()
  @Allow({ by: 'person', ability: 'customer.read' })
  list(
    @CurrentPrincipal('person') who: Who,
    @query(customersQuery) asked: CustomersQuery,
  ): Promise<Page<CustomerItem>> {
    return this.database.transaction(who.tenantId, async (tx) =>
      listCustomers(tx, await regionsOf(tx, who, 'customer.read'), asked),
    );
  }

  @Get(':id')
  @Allow({ by: 'person', ability: 'customer.read' })
  one(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
  ): Promise<CustomerItem & { lost: LostValue[] }> {
    return this.database.transaction(who.tenantId, async (tx) =>
      readCustomer(tx, id, await regionsOf(tx, who, 'customer.read'), this.secrets.personsMaster),
    );
  }

  @Post()
  @Allow({ by: 'person', ability: 'customer.write' })
  create(@CurrentPrincipal('person') who: Who, @body(officeCustomerInput) input: OfficeCustomerInput) {
    const { id = this.newId(), ...said } = input;
    return this.database.transaction(who.tenantId, async (tx) => {
      const regions = await regionsOf(tx, who, 'customer.write');
      if (!regions.includes(said.region)) throw problem('invalid-field', `region: there is no ${said.region} of yours`);
      if ((await tx.query('SELECT 1 FROM customer WHERE id = $1', [id])).length > 0) throw problem('already-exists');
      return this.edited(tx, who, regions, { customer: id, op: 'create', values: valuesSaid(said) });
    });
  }

  @Patch(':id')
  @Allow({ by: 'person', ability: 'customer.write' })
  change(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @body(officeCustomerChange) change: OfficeCustomerChange,
  ) {
    return this.database.transaction(who.tenantId, async (tx) => {
      const regions = await regionsOf(tx, who, 'customer.write');
      await readCustomer(tx, id, regions, this.secrets.personsMaster);
      const values: CustomerValues = valuesSaid(change);
      if (typeof values.region === 'string' && !regions.includes(values.region))
        throw problem('invalid-field', `region: there is no ${values.region} of yours`);
      if (values.region === null) throw problem('invalid-field', 'region: a customer is some region’s');
      return this.edited(tx, who, regions, { customer: id, op: 'edit', values });
    });
  }

  @Delete(':id')
  @HttpCode(204)
  @Allow({ by: 'person', ability: 'customer.write' })
  async remove(@CurrentPrincipal('person') who: Who, @param('id', uuid) id: string): Promise<void> {
    await this.database.transaction(who.tenantId, async (tx) => {
      await readCustomer(tx, id, await regionsOf(tx, who, 'customer.write'), this.secrets.personsMaster);
      await editAtOffice(tx, { customer: id, op: 'delete', values: {}, personId: who.personId }, this.parts());
      await this.audit(tx, who, 'customer.delete', id, {});
    });
  }

  /**
   * For ever, and at every store as soon as its edge hears of it. `scrubbed`: the text is off head office's disk too; while a
   * transaction from before is open it cannot be, and goes once that has ended.
   */
  @Post(':id/erase')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'customer.erase' })
  async erase(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
  ): Promise<{ erased: boolean; scrubbed: boolean }> {
    const erased = await this.database.transaction(who.tenantId, async (tx) => {
      const nowMs = this.clock.now();
      const done = await eraseCustomer(tx, id, await regionsOf(tx, who, 'customer.erase'), nowMs);
      if (done) await this.audit(tx, who, 'customer.erase', id, {});
      return done;
    });
    return { erased, scrubbed: await this.scrubber.scrubbed(who.tenantId, ANSWER_MS_MAX) };
  }

  /** Two customers are one person: `keep` takes what it lacks from `drop`, which is deleted. */
  @Post('merge')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'customer.write' })
  merge(@CurrentPrincipal('person') who: Who, @body(mergeInput) input: z.infer<typeof mergeInput>) {
    return this.database.transaction(who.tenantId, async (tx) => {
      const regions = await regionsOf(tx, who, 'customer.write');
      const taken = await mergeCustomers(tx, input, regions, who.personId, this.parts());
      await this.audit(tx, who, 'customer.merge', input.keep, { drop: input.drop, taken });
      return readCustomer(tx, input.keep, regions, this.secrets.personsMaster);
    });
  }

  private async edited(tx: Tx, who: Who, regions: readonly string[], edit: Omit<OfficeEdit, 'personId'>) {
    const changed = await editAtOffice(tx, { ...edit, personId: who.personId }, this.parts());
    const { customer } = edit;
    // By name: what they say reaches a person, and what is in the audit is never taken out.
    if (changed.length > 0) await this.audit(tx, who, `customer.${edit.op}`, customer, { changed });
    const allowed = edit.values.region ? [...regions, edit.values.region] : regions;
    return readCustomer(tx, customer, allowed, this.secrets.personsMaster);
  }

  private parts(): OfficeParts {
    const { newId, randomBytes, secrets } = this;
    return { personsMaster: secrets.personsMaster, nowMs: this.clock.now(), newId, randomBytes };
  }

  private audit(tx: Tx, who: Who, action: string, id: string, detail: Record<string, unknown>): Promise<void> {
    const entry = { actor: actorOf(who), action, subject: `customer:${id}`, branchId: null, detail };
    return recordAudit(tx, entry, { nowMs: this.clock.now(), newId: this.newId });
  }
}

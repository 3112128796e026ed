import { Controller, Get, Inject } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, TRIAL_CONTROL } from '../providers.js';
import { Contacts } from '../sync/contacts.js';
import type { TrialControl } from './trial-control.js';
import { chainToday, type ChainToday } from './chain-today.js';

/** Asked every second or two by whoever looks at the page: what takes longer is not answered. */
const TODAY_MS_MAX = 5_000;

@ApiTags('reports')
@ApiBearerAuth()
@Controller('v1/today')
export class TodayController {
  constructor(
    private readonly database: Database,
    private readonly contacts: Contacts,
    @Inject(TRIAL_CONTROL) private readonly control: TrialControl | null,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow({ by: 'person', ability: 'report.read' })
  @ApiOperation({ summary: 'Each branch on its own business date: sales by hour, and how far they are known' })
  today(@CurrentPrincipal('person') who: PrincipalOf<'person'>): Promise<ChainToday> {
    const parts = { contacts: this.contacts, isTrial: this.control !== null, nowMs: this.clock.now() };
    const options = { isolation: 'REPEATABLE READ', statementMsMax: TODAY_MS_MAX } as const;
    return this.database.transaction(who.tenantId, (tx) => chainToday(tx, who, parts), options);
  }
}

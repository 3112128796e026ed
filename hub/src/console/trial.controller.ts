import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { code } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { param } from '@branchline/http/schema.js';
import { z } from 'zod';
import { branchesOf, findBranch, placeOf } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { TRIAL_CONTROL } from '../providers.js';
import { TRIAL_ACTIONS, type TrialAction, type TrialBranch, type TrialControl } from './trial-control.js';

const orderParams = z.strictObject({ branch: code, action: z.enum(TRIAL_ACTIONS) });

/** `mayAct`: whether the caller may cut, restore and kill there. */
export type Trial = { branches: (TrialBranch & { mayAct: boolean })[] };

/** Only there when the hub runs under `npm start`: lines that can be cut and boxes that can be killed, to see what holds. */
@ApiTags('trial')
@ApiBearerAuth()
@Controller('v1/trial')
export class TrialController {
  constructor(
    private readonly database: Database,
    @Inject(TRIAL_CONTROL) private readonly control: TrialControl | null,
  ) {}

  @Get()
  @Allow({ by: 'person', ability: 'fleet.read' })
  @ApiOperation({ summary: 'What the stores of a trial chain know themselves' })
  async read(@CurrentPrincipal('person') who: PrincipalOf<'person'>): Promise<Trial> {
    const told = await this.controlHere().read();
    const theirs = await this.database.transaction(who.tenantId, (tx) => branchesOf(tx, who, 'fleet.read'));
    const { can } = abilityFor(who.grants);
    const mayAct = new Map(theirs.map((branch) => [branch.code, can('branch.manage', placeOf(branch))]));
    const branches = told.flatMap((item) => {
      const may = mayAct.get(item.branch);
      return may === undefined ? [] : { ...item, mayAct: may };
    });
    return { branches };
  }

  @Post(':branch/:action')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'branch.manage' })
  @ApiOperation({ summary: 'Cut or restore the line of a store of a trial chain, or kill its box' })
  async act(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @param(orderParams) { branch, action }: { branch: string; action: TrialAction },
  ): Promise<{ ok: true }> {
    const control = this.controlHere();
    await this.database.transaction(who.tenantId, (tx) => findBranch(tx, who, branch, 'branch.manage'));
    await control.act(branch, action);
    return { ok: true };
  }

  /** @throws Problem `no-trial` */
  private controlHere(): TrialControl {
    if (this.control === null) throw problem('no-trial');
    return this.control;
  }
}

import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code, instant, uuid } from '@branchline/http/fields.js';
import { openApiOf, param } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf } from '../audit/record-audit.js';
import { findBranch } from '../branches/find-branch.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { revokeBox, type RevokedBox } from './revoke-box.js';

type Who = PrincipalOf<'person'>;

const boxSchema = z.strictObject({
  box: uuid,
  enrolledAt: instant,
  revokedAt: instant.nullable(),
  /** Epochs of the histories that it wrote. */
  epochs: z.array(z.int()),
});
type ShownBox = z.infer<typeof boxSchema>;
const boxesSchema = z.strictObject({ items: z.array(boxSchema) });

/** Boxes of a branch: one that trades, those that it replaced, and copies that nobody ordered. */
@ApiTags('branches')
@ApiBearerAuth()
@Controller('v1/branches/:code/boxes')
export class BoxesController {
  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Get()
  @Allow({ by: 'person', ability: 'branch.read' })
  @ApiOkResponse({ schema: openApiOf(boxesSchema) })
  list(@CurrentPrincipal('person') who: Who, @param('code', code) branchCode: string): Promise<{ items: ShownBox[] }> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branch = await findBranch(tx, who, branchCode, 'branch.read');
      return { items: await boxesOf(tx, branch.id) };
    });
  }

  @Post(':box/revoke')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'branch.manage' })
  revoke(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @param('box', uuid) boxId: string,
  ): Promise<RevokedBox> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branch = await findBranch(tx, who, branchCode, 'branch.manage');
      const at = { nowMs: this.clock.now(), newId: this.newId };
      return revokeBox(tx, { actor: actorOf(who), branchId: branch.id, boxId }, at);
    });
  }
}

/** A branch has had a handful in its life. */
const BOXES_MAX = 500;

async function boxesOf(tx: Tx, branchId: string): Promise<ShownBox[]> {
  const rows = await tx.query<
    Omit<ShownBox, 'enrolledAt' | 'revokedAt'> & { enrolledAt: Date; revokedAt: Date | null }
  >(
    `SELECT box.id AS box, box.enrolled_at AS "enrolledAt", box.revoked_at AS "revokedAt",
       ARRAY(SELECT epoch FROM incarnation i WHERE i.branch_id = box.branch_id AND i.box_id = box.id ORDER BY epoch) AS epochs
     FROM box WHERE box.branch_id = $1 ORDER BY box.enrolled_at DESC LIMIT ${BOXES_MAX}`,
    [branchId],
  );
  return rows.map(({ enrolledAt, revokedAt, ...box }) => ({
    ...box,
    enrolledAt: enrolledAt.toISOString(),
    revokedAt: revokedAt?.toISOString() ?? null,
  }));
}

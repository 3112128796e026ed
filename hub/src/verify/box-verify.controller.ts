import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { body } from '@branchline/http/schema.js';
import {
  verifyRequestSchema,
  type VerifyKeys,
  type VerifyRecords,
  type VerifyRequest,
  type VerifySums,
} from '@branchline/replication/verify-protocol.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { cursorVerdict, feedStand } from '../feed/read-feed.js';
import { scopesOfBranch, type BranchPlace } from '../feed/scopes.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { ReadLane, VERIFY_LANE } from '../sync/read-lane.js';
import { noteProof } from './box-proof.js';
import { KeptSums } from './kept-sums.js';
import { keysOfBuckets, recordsAsOf, sumFeed } from './sum-feed.js';

type Box = PrincipalOf<'box'>;
type Answer = VerifySums | VerifyKeys | VerifyRecords | { part: 'proof' };
type OfFeed = Exclude<VerifyRequest, { part: 'proof' }>;

@ApiTags('sync')
@Controller('sync/v1')
export class BoxVerifyController {
  private readonly lane = new ReadLane(VERIFY_LANE);
  private readonly keptSums = new KeptSums();

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Post('verify')
  @HttpCode(200)
  @Allow({ by: 'box' })
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'What the hub has of a feed, for a box to compare its rows with; and what the box has found',
    description:
      '`sums`: count and sum of each of 256 buckets of each kind, as of the box’s cursor · `keys`: the records behind buckets · ' +
      '`records`: whole records · `proof`: what the box has found. A cursor that is not on this feed: 409 feed-fork.',
  })
  verify(@CurrentPrincipal('box') box: Box, @body(verifyRequestSchema) request: VerifyRequest): Promise<Answer> {
    return this.lane.read(box, () => this.database.transaction(box.tenantId, (tx) => this.answer(tx, box, request)));
  }

  private async answer(tx: Tx, box: Box, request: VerifyRequest): Promise<Answer> {
    if (request.part === 'proof') {
      await noteProof(tx, box, request.proof, { nowMs: this.clock.now(), newId: this.newId });
      return { part: 'proof' };
    }
    await assertOwn(tx, box, request);
    if (request.part === 'keys') return { part: 'keys', keys: await keysOfBuckets(tx, request) };
    if (request.part === 'records') return { part: 'records', records: await recordsAsOf(tx, request) };
    const { scope, number, hash } = request;
    const place = { tenantId: tx.tenantId, scope, number, hash };
    const kinds = await this.keptSums.of(place, () => sumFeed(tx, scope, number));
    return { part: 'sums', newest: (await feedStand(tx, scope, number)).newest, kinds };
  }
}

/** @throws Problem not-yours, feed-fork */
async function assertOwn(tx: Tx, { branchId }: Box, { scope, number, hash }: OfFeed): Promise<void> {
  const branch = await tx.one<BranchPlace>(
    'SELECT id, region, price_zone AS "priceZone", assortment FROM branch WHERE id = $1',
    [branchId],
  );
  if (!scopesOfBranch(branch).includes(scope)) throw problem('not-yours', `${scope} is no scope of this branch.`);
  const { verdict } = await cursorVerdict(tx, scope, { number, hash });
  if (verdict !== 'ok') throw problem('feed-fork', `${scope} has no record ${number} with this hash.`);
}

import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import { Database, type Announcement } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { historyGrown } from '../sync/streams.js';
import { BranchGrowth, type Grown } from './branch-growth.js';
import { notifyOfHello } from './feed-notice.js';

/** How often what waits for its turn is looked at. */
const LOOK_MS = 1_000;

/**
 * Tells the boxes of a branch, at whichever process their streams are open, that another history of it has grown: so that a
 * second box, or a copy, notices at once and not with its next hello. Outside the push, which waits for nothing of it.
 */
@Injectable()
export class HelloNudges implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('hello nudges');
  private readonly growth = new BranchGrowth();
  private unsubscribe = (): void => undefined;
  private looking: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.unsubscribe = this.database.onAnnouncement((announcement) => this.heard(announcement));
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    this.unsubscribe();
    clearTimeout(this.looking);
    await this.running;
  }

  private heard({ tenantId, topic }: Announcement): void {
    const grown = historyGrown(topic);
    if (grown === null || this.stopped) return;
    if (this.growth.note({ tenantId, ...grown }, this.clock.now()) && this.looking === undefined) this.look();
  }

  private look(): void {
    this.looking = undefined;
    const due = this.growth.takeDue(this.clock.now());
    if (due.length > 0) this.running = this.running.then(() => this.tellAll(due));
    if (this.growth.isAnyDue) this.looking = setTimeout(() => this.look(), LOOK_MS);
  }

  private async tellAll(due: readonly Grown[]): Promise<void> {
    for (const grown of due) {
      try {
        const isAlone = await this.database.transaction(grown.tenantId, async (tx) => {
          const rows = await tx.query<{ box: string; pushed: number }>(BOXES, [grown.branchId, grown.incarnations]);
          const others = othersOf(rows);
          if (others.length > 0) await notifyOfHello(tx, others);
          return rows.length <= 1 && others.length === 0;
        });
        if (isAlone) this.growth.noteAlone(grown, this.clock.now());
      } catch (error) {
        // May be lost: the next hello comes all the same.
        this.logger.warn({
          message: 'the boxes of a branch were not told',
          branch: grown.branchId,
          reason: String(error),
        });
      }
    }
  }
}

/** Living boxes of the branch, and how many of the histories that grew are theirs. */
const BOXES = `
SELECT box.id AS box, (SELECT count(*)::integer FROM incarnation i WHERE i.branch_id = box.branch_id AND i.box_id = box.id
  AND i.incarnation = ANY ($2::uuid[])) AS pushed
FROM box WHERE box.branch_id = $1 AND box.revoked_at IS NULL`;

/** All but the one that alone has pushed; also a box under whose name two histories grow: one of them is a copy's. */
function othersOf(rows: readonly { box: string; pushed: number }[]): string[] {
  const pushed = rows.reduce((sum, row) => sum + row.pushed, 0);
  return rows.filter((row) => pushed > row.pushed || row.pushed > 1).map(({ box }) => box);
}

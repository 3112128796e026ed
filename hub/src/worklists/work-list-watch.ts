import { Inject, Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import { Gauge, type Registry } from 'prom-client';
import { Database, type Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { workListFigures, type WorkListFigures } from './work-list-figures.js';

/** What waits so long is a line on the log, once for a branch while it lasts. */
export const WARNED_AFTER_MS = 15 * 60_000;
/** What waits so long is an incident of its branch: a day of that store is not final. */
export const INCIDENT_AFTER_MS = 24 * 3_600_000;
const LOOK_MS = 60_000;

const GAUGES: Readonly<Record<keyof WorkListFigures, [name: string, help: string]>> = {
  quarantined: ['branchline_quarantine_lines', 'Lines set aside that wait.'],
  oldestQuarantinedS: ['branchline_quarantine_oldest_seconds', 'For how long the oldest of them has waited.'],
  conflictsOpen: ['branchline_conflicts_open', 'Conflicts that nobody has decided.'],
  oldestConflictS: ['branchline_conflicts_oldest_seconds', 'For how long the oldest of them has waited.'],
};

type Overdue = { branchId: string; branch: string; waiting: number; conflicts: number; oldestAt: Date };

/** Sees to it that what waits for people does not wait unseen: figures, then a line on the log, then an incident. */
@Injectable()
export class WorkListWatch {
  private readonly logger = new Logger('work lists');
  private readonly warned = new Set<string>();
  private looking: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
    @Inject(METRICS_REGISTRY) registry: Registry,
  ) {
    // One question for all of them, which are read together; without the database there is no figure.
    let asked: Promise<WorkListFigures | null> | null = null;
    const figures = (): Promise<WorkListFigures | null> =>
      (asked ??= workListFigures(database, clock.now())
        .catch(() => null)
        .finally(() => (asked = null)));
    for (const [figure, [name, help]] of Object.entries(GAUGES)) {
      new Gauge({
        ...{ name, help, registers: [registry] },
        async collect() {
          this.reset();
          const told = await figures();
          if (told) this.set(told[figure as keyof WorkListFigures]);
        },
      });
    }
  }

  @Interval(LOOK_MS)
  async look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => (this.looking = null));
    await this.looking;
  }

  private async lookOnce(): Promise<void> {
    const nowMs = this.clock.now();
    try {
      const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants_waiting($1) AS id', [
        new Date(nowMs - WARNED_AFTER_MS),
      ]);
      const seen = new Set<string>();
      for (const { id } of tenants) {
        const overdue = await this.database.transaction(id, (tx) => this.overdue(tx, nowMs));
        for (const branch of overdue) seen.add(this.warn(id, branch));
      }
      for (const branch of this.warned) if (!seen.has(branch)) this.warned.delete(branch);
    } catch (error) {
      this.logger.error(error);
    }
  }

  /** Of one tenant, by branch; those that have waited for too long are incidents with it. */
  private async overdue(tx: Tx, nowMs: number): Promise<Overdue[]> {
    const rows = await tx.query<Overdue>(OVERDUE, [new Date(nowMs - WARNED_AFTER_MS)]);
    for (const { branchId, branch, waiting, conflicts, oldestAt } of rows) {
      if (nowMs - oldestAt.getTime() < INCIDENT_AFTER_MS) continue;
      const incident = { branchId, code: 'work-unread', key: 'work-lists' };
      if (await isOpen(tx, incident)) continue;
      const detail = `${waiting} lines in quarantine and ${conflicts} conflicts of ${branch} wait, the oldest since ${oldestAt.toISOString()}`;
      await raiseIncident(tx, { ...incident, detail }, { nowMs, newId: this.newId });
    }
    return rows;
  }

  private warn(tenantId: string, { branchId, branch, waiting, conflicts, oldestAt }: Overdue): string {
    if (!this.warned.has(branchId)) {
      const message = 'lines in quarantine or conflicts wait for people';
      this.logger.warn({ message, tenantId, branch, waiting, conflicts, oldestAt: oldestAt.toISOString() });
      this.warned.add(branchId);
    }
    return branchId;
  }
}

/** It is told once: by counting up each minute nothing more would be said. */
async function isOpen(
  tx: Tx,
  { branchId, code, key }: { branchId: string; code: string; key: string },
): Promise<boolean> {
  const open = await tx.query(
    'SELECT FROM incident WHERE branch_id = $1 AND code = $2 AND key = $3 AND closed_at IS NULL',
    [branchId, code, key],
  );
  return open.length > 0;
}

const OVERDUE = `
SELECT b.id AS "branchId", b.code AS branch, count(*) FILTER (WHERE w.is_line) AS waiting, count(*) FILTER (WHERE NOT w.is_line) AS conflicts,
  min(w.at) AS "oldestAt"
FROM (
  SELECT branch_id, at, true AS is_line FROM quarantine WHERE state IN ('open', 'held') AND at < $1
  UNION ALL SELECT branch_id, at, false FROM conflict WHERE state = 'open' AND at < $1) w
JOIN branch b ON b.id = w.branch_id GROUP BY b.id, b.code ORDER BY b.code`;

import type { Database } from '../database/unit-of-work.js';

/** What waits for people at this hub, over all tenants; ages in seconds, 0 where nothing waits. */
export type WorkListFigures = {
  quarantined: number;
  oldestQuarantinedS: number;
  conflictsOpen: number;
  oldestConflictS: number;
};

type Row = { waiting: number; oldestWaiting: Date | null; open: number; oldestOpen: Date | null };

export async function workListFigures(database: Database, nowMs: number): Promise<WorkListFigures> {
  const [row] = await database.asOwner<Row>(
    'SELECT waiting, oldest_waiting AS "oldestWaiting", open, oldest_open AS "oldestOpen" FROM branchline_work_lists()',
  );
  const ageS = (at: Date | null | undefined): number => (at ? Math.max(0, (nowMs - at.getTime()) / 1_000) : 0);
  return {
    quarantined: Number(row?.waiting ?? 0),
    oldestQuarantinedS: ageS(row?.oldestWaiting),
    conflictsOpen: Number(row?.open ?? 0),
    oldestConflictS: ageS(row?.oldestOpen),
  };
}

import type { BranchRow } from '../branches/branch.row.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import { projectArchived } from '../sync/project-archived.js';
import { holdBranch } from '../sync/streams.js';
import type { LineToTry } from './quarantine-proof.js';

class TakenBack extends Error {}

/**
 * Projects lines that wait in quarantine, each in a transaction that is taken back whatever it comes to.
 * @returns those that would stand as facts now
 */
export async function tryQuarantined(
  database: Database,
  branch: BranchRow,
  lines: readonly LineToTry[],
  { nowMs, newId }: { nowMs: number; newId: () => string },
): Promise<LineToTry[]> {
  const wouldStand: LineToTry[] = [];
  const { id: branchId, tenantId, timeZone, currency } = branch;
  for (const line of lines) {
    const { incarnation, seq } = line;
    const facts: FactContext = { tenantId, branchId, incarnation, timeZone, currency, nowMs };
    let isRefused = true;
    await database
      .transaction(tenantId, async (tx) => {
        await holdBranch(tx, branchId);
        // What it waited for may have come meanwhile, and it with it.
        if (!(await isWaiting(tx, branchId, line))) throw new TakenBack();
        isRefused = (await projectArchived(tx, facts, [seq], newId)).setAside.has(seq);
        throw new TakenBack();
      })
      .catch((error: unknown) => {
        if (!(error instanceof TakenBack)) throw error;
      });
    if (!isRefused) wouldStand.push(line);
  }
  return wouldStand;
}

async function isWaiting(tx: Tx, branchId: string, { incarnation, seq }: LineToTry): Promise<boolean> {
  const sql = `SELECT FROM quarantine WHERE branch_id = $1 AND incarnation = $2 AND seq = $3 AND state IN ('open', 'held')`;
  return (await tx.query(sql, [branchId, incarnation, seq])).length > 0;
}

import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import { projectArchived } from './project-archived.js';
import type { SetAside } from './read-line.js';
import { publishWorkLists } from '../worklists/publish-work-lists.js';
import { noteWaiting } from './retry-waiting.js';
import { holdBranch } from './streams.js';

export type Retried = {
  id: string;
  state: 'mended' | 'open' | 'held' | 'settled';
  code: string;
  detail: string;
  attempts: number;
};

type Waiting = {
  id: string;
  branchId: string;
  incarnation: string;
  seq: number;
  state: 'mended' | 'open' | 'held' | 'settled';
  code: string;
  detail: string;
  attempts: number;
  timeZone: string;
  currency: string;
};

/** The branch of what is set aside, for whoever has to decide who may touch it. @throws Problem `not-found` */
export async function branchOfQuarantined(tx: Tx, id: string): Promise<string> {
  const [row] = await tx.query<{ branchId: string }>('SELECT branch_id AS "branchId" FROM quarantine WHERE id = $1', [
    id,
  ]);
  if (!row) throw problem('not-found');
  return row.branchId;
}

/**
 * Projects the archived line once more, out of the bytes that the box signed: after an upgrade, or when what was in its
 * way is gone. A line that was mended before stays as it is.
 */
export async function retryQuarantined(
  tx: Tx,
  id: string,
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<Retried> {
  const branchId = await branchOfQuarantined(tx, id);
  await holdBranch(tx, branchId);
  const waiting = await tx.one<Waiting>(FIND, [id]);
  const { code, detail, attempts } = waiting;
  if (waiting.state === 'mended' || waiting.state === 'settled')
    return { id, state: waiting.state, code, detail, attempts };
  const again = await project(tx, waiting, nowMs, newId);
  const outcome = {
    state: again ? (again.held ? 'held' : 'open') : 'mended',
    code: again?.code ?? code,
    detail: again?.detail ?? detail,
  } as const;
  await tx.execute(
    `UPDATE quarantine SET state = $2, code = $3, detail = $4, attempts = attempts + 1, tried_at = to_timestamp($5::bigint / 1000.0), waits_for = $6
     WHERE id = $1`,
    [id, outcome.state, outcome.code, outcome.detail, nowMs, again?.waitsFor ?? []],
  );
  await noteWaiting(tx, branchId, again ? 0 : 1);
  await publishWorkLists(tx, branchId, nowMs);
  return { id, ...outcome, attempts: attempts + 1 };
}

const FIND = `
SELECT q.id, q.branch_id AS "branchId", q.incarnation, q.seq, q.state, q.code, q.detail, q.attempts, b.time_zone AS "timeZone", b.currency
FROM quarantine q JOIN branch b ON b.id = q.branch_id WHERE q.id = $1 FOR NO KEY UPDATE OF q`;

/** @returns why it is still set aside, or null */
async function project(
  tx: Tx,
  { branchId, incarnation, seq, timeZone, currency }: Waiting,
  nowMs: number,
  newId: NewId,
): Promise<SetAside | null> {
  const facts: FactContext = { tenantId: tx.tenantId, branchId, incarnation, timeZone, currency, nowMs };
  const { setAside } = await projectArchived(tx, facts, [seq], newId);
  return setAside.get(seq) ?? null;
}

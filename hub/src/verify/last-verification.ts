import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Verification } from './answer.js';
import type { Verified } from './verify-branch.js';

/** Keeps what was found, unless a later verification has been kept meanwhile. */
export async function keepVerification(
  tx: Tx,
  branchId: string,
  { answer, unproved }: Omit<Verified, 'counts'>,
): Promise<void> {
  await tx.execute(KEEP, [
    tx.tenantId,
    branchId,
    answer.at,
    answer.outcome,
    answer.streams.at(-1)?.headSeq ?? 0,
    unproved,
    JSON.stringify(answer),
  ]);
}

const KEEP = `
INSERT INTO branch_verification AS kept (tenant_id, branch_id, at, outcome, seq, unproved, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (branch_id) DO UPDATE SET at = excluded.at, outcome = excluded.outcome, seq = excluded.seq, unproved = excluded.unproved,
  answer = excluded.answer
WHERE kept.at <= excluded.at`;

/** As it was answered. @throws Problem `not-found` for a branch that was never verified */
export async function lastVerification(tx: Tx, branch: { id: string; code: string }): Promise<Verification> {
  const [kept] = await tx.query<{ answer: Verification }>(
    'SELECT answer FROM branch_verification WHERE branch_id = $1',
    [branch.id],
  );
  if (!kept) throw problem('not-found', `${branch.code} has not been verified.`);
  return kept.answer;
}

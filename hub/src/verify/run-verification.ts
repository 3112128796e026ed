import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem, type Problem } from '@branchline/http/problem.js';
import type { BranchRow } from '../branches/branch.row.js';
import { sqlStateOf, type Database } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { keepVerification } from './last-verification.js';
import { tryQuarantined } from './try-quarantined.js';
import { verifyBranch, type Verified, type VerifyParts } from './verify-branch.js';

/** A million sales of five lines, of which a core with its PostgreSQL does between one and three thousand a second. */
export const VERIFY_MS_MAX = 900_000;
const STATEMENT_MS_MAX = 120_000;
const STATEMENT_CANCELLED = '57014';

export type VerificationParts = { database: Database; secrets: HubSecrets; clock: Clock; newId: NewId };

/**
 * Verifies a branch in one snapshot and keeps what was found.
 * @param isStopped asked between any two steps
 * @throws Problem `verification-running`, `verification-too-long`, `shutting-down`
 */
export async function runVerification(
  { database, secrets, clock, newId }: VerificationParts,
  branch: BranchRow,
  msMax = VERIFY_MS_MAX,
  isStopped = (): boolean => false,
): Promise<Verified> {
  const nowMs = clock.now();
  const assertMayGoOn = (): void => {
    if (isStopped()) throw problem('shutting-down');
    if (clock.now() > nowMs + msMax) throw tooLong();
  };
  const tryLines: VerifyParts['tryQuarantined'] = (lines) => tryQuarantined(database, branch, lines, { nowMs, newId });
  const verified = await database
    .transaction(
      branch.tenantId,
      (tx) => verifyBranch(tx, branch, { secrets, nowMs, assertMayGoOn, tryQuarantined: tryLines }),
      {
        isolation: 'REPEATABLE READ',
        statementMsMax: STATEMENT_MS_MAX,
      },
    )
    .catch((error: unknown) => {
      throw sqlStateOf(error) === STATEMENT_CANCELLED ? tooLong() : error;
    });
  await database.transaction(branch.tenantId, (tx) => keepVerification(tx, branch.id, verified));
  return verified;
}

function tooLong(): Problem {
  return problem('verification-too-long');
}

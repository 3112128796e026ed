import type { EdgeDifference } from '@branchline/replication/verify-protocol.js';
import { writeEntries, type SyncLogEntry } from '../replicator/sync-log.js';
import type { ReadTx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import type { ProvedPlace } from './prove-hub.js';

/** What a check of this box came to. */
export type EdgeVerification = {
  at: string;
  outcome: 'equal' | 'differs';
  /**
   * `away`: the hub was not reached; `busy`: it had no room, and is asked again; `refused`: it did not answer as asked. Then
   * only rows and journal are proved, and feeds as far as they are named.
   */
  hub: 'asked' | 'away' | 'busy' | 'refused';
  /** When a hub that was busy is asked again, by a check of its own; null: it was not. */
  askAgainAt: string | null;
  /** The last line up to which journal, rows and hub hold the same; null: nothing, or it was not asked. */
  provedTo: ProvedPlace;
  lines: number;
  rows: number;
  days: { businessDate: string; equal: boolean }[];
  feeds: { scope: string; number: number; records: number }[];
  /** Records of head office that were taken again, or away. */
  repaired: number;
  differences: EdgeDifference[];
  /** Of all differences, also those that are not named. */
  count: number;
};

export const keepVerification: LocalWrite<{ verification: EdgeVerification; entries: readonly SyncLogEntry[] }, void> =
  {
    name: 'keep-verification',
    run(tx, { verification, entries }, { clock }) {
      tx.run(
        `INSERT INTO last_verification (id, at, told, verification) VALUES (1, ?, 0, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at, told = 0, verification = excluded.verification`,
        Date.parse(verification.at),
        JSON.stringify(verification),
      );
      writeEntries(tx, clock.now(), entries);
    },
  };

/** The hub has it; unless a later one was kept meanwhile. */
export const verificationTold: LocalWrite<{ at: string }, void> = {
  name: 'verification-told',
  run: (tx, { at }) => void tx.run('UPDATE last_verification SET told = 1 WHERE at = ?', Date.parse(at)),
};

export function lastVerification(tx: ReadTx): { verification: EdgeVerification; told: boolean } | null {
  const row = tx.get<{ told: number; verification: string }>('SELECT told, verification FROM last_verification');
  if (row === undefined) return null;
  // Of a release before that which says when it is asked again.
  const verification = { askAgainAt: null, ...(JSON.parse(row.verification) as object) } as EdgeVerification;
  return { verification, told: row.told === 1 };
}

/** How long until a hub that was busy is asked again; null: it was not. Of a wrong clock never longer than `msMax`. */
export function untilAskedAgainMs(
  { askAgainAt }: Pick<EdgeVerification, 'askAgainAt'>,
  nowMs: number,
  msMax: number,
): number | null {
  return askAgainAt === null ? null : Math.min(Math.max(0, Date.parse(askAgainAt) - nowMs), msMax);
}

/** Dated after now, it is as old as the clock was wrong: otherwise nothing would be checked until then. */
export function ageMs({ at }: Pick<EdgeVerification, 'at'>, nowMs: number): number {
  return Math.abs(nowMs - Date.parse(at));
}

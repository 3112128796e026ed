import type { EdgeDifference } from '@branchline/replication/verify-protocol.js';
import { writeEntries, type SyncLogEntry } from '../replicator/sync-log.js';
import type { ReadTx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import type { ProvedPlace } from './prove-hub.js';

/** What a check of this box came to. */
export type EdgeVerification = {
  at: string;
  outcome: 'equal' | 'differs';
  /** `away`: the hub was not reached; `refused`: it did not answer as asked. Then only rows and journal are proved, and feeds as far as they are named. */
  hub: 'asked' | 'away' | 'refused';
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
  return row ? { verification: JSON.parse(row.verification) as EdgeVerification, told: row.told === 1 } : null;
}

/** Dated after now, it is as old as the clock was wrong: otherwise nothing would be checked until then. */
export function ageMs({ at }: Pick<EdgeVerification, 'at'>, nowMs: number): number {
  return Math.abs(nowMs - Date.parse(at));
}

import type { FetchedOutcome } from './command.js';
import type { ReadTx, Tx } from './tx.js';

export type LineCounts = Record<FetchedOutcome, number>;

export const noLines = (): LineCounts => ({ applied: 0, doubled: 0, known: 0, differs: 0 });

/** `wasHeld`: fetched before, and held until a release came that could take them. */
export type UntoldLines = { incarnation: string; wasHeld: 0 | 1 } & LineCounts;

/**
 * What became of lines that came of others, since people were told last. Counted in the transaction of the rows: nobody comes
 * to these lines again, whatever ends the work on those behind them.
 */
export function noteUntold(
  tx: Tx,
  { incarnationNo, wasHeld }: { incarnationNo: number; wasHeld: boolean },
  { applied, doubled, known, differs }: LineCounts,
): void {
  tx.run(
    `INSERT INTO lines_untold (incarnation_no, was_held, applied, doubled, known, differs) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (incarnation_no, was_held) DO UPDATE SET applied = applied + excluded.applied,
       doubled = doubled + excluded.doubled, known = known + excluded.known, differs = differs + excluded.differs`,
    incarnationNo,
    wasHeld ? 1 : 0,
    applied,
    doubled,
    known,
    differs,
  );
}

export function readUntold(tx: ReadTx): UntoldLines[] {
  return tx.all<UntoldLines>(
    `SELECT i.id AS incarnation, u.was_held AS wasHeld, u.applied, u.doubled, u.known, u.differs
     FROM lines_untold u JOIN incarnation i ON i.no = u.incarnation_no ORDER BY u.incarnation_no, u.was_held`,
  );
}

/** They are told in the same transaction. */
export function forgetUntold(tx: Tx): void {
  tx.run('DELETE FROM lines_untold');
}

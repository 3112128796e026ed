import type { Database } from '../database/unit-of-work.js';

/** As PostgreSQL's view of locks names a transaction, and the process that has it open. */
export type OpenTransaction = { id: string; pid: number };

/** Any role may read it, and every transaction of the server holds the lock on its own virtual id. */
const OPEN = `
SELECT DISTINCT virtualtransaction AS id, pid FROM pg_locks
WHERE locktype = 'virtualxid' AND granted AND mode = 'ExclusiveLock' AND pid <> pg_backend_pid()`;

/**
 * Whether a row that was deleted before now may still be kept for somebody. It may for whoever was open then; and for whoever
 * began while one of those was, since a snapshot goes back to the oldest transaction that was writing when it was taken. So
 * two sets are waited for, one after the other.
 * @returns to be called until it gives none: those that are waited for
 */
export function olderTransactions(database: Database): () => Promise<OpenTransaction[]> {
  let setsLeft = 2;
  let awaited: Set<string> | null = null;
  return async () => {
    for (;;) {
      const open = await database.asOwner<OpenTransaction>(OPEN);
      const left = open.filter(({ id }) => awaited === null || awaited.has(id));
      if (left.length > 0) {
        awaited ??= new Set(left.map(({ id }) => id));
        return left;
      }
      awaited = null;
      setsLeft -= 1;
      if (setsLeft === 0) return [];
    }
  };
}

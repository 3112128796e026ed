import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Conflict } from './conflict.js';
import type { Strategy } from './record-conflict.js';

export type Decision = { strategy: Strategy; merged: Record<string, unknown> | null };
export type At = { nowMs: number; newId: NewId };

/** What deciding a conflict about one kind of thing comes to, here and in the branch. */
export type ConflictEffect = {
  /** What may be decided; the others make no sense for such a thing. */
  strategies(conflict: Pick<Conflict, 'type' | 'kind'>): readonly Strategy[];
  /** Whether `merge` is told what it comes to. */
  takesMerged: boolean;
  /** In the transaction of the decision. `settling`: the branch has yet to write what follows. @throws Problem */
  apply(tx: Tx, conflict: Conflict, decision: Decision, at: At): Promise<'settling' | 'settled'>;
};

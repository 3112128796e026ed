import type { NewId } from '@branchline/domain/uuid.js';
import type { OfficeParts } from '../customers/office-edit.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Conflict } from './conflict.js';
import type { Strategy } from './record-conflict.js';

export type Decision = { strategy: Strategy; merged: Record<string, unknown> | null };
export type At = { nowMs: number; newId: NewId };

/** Who decides, and with what. `customerRegions`: whose customers they may change. */
export type Deciding = OfficeParts & { personId: string; customerRegions: readonly string[] };

/** `settling`: the branch has yet to write what follows. `changed`: the fields of a customer that are another value now. */
export type Effect = {
  state: 'settling' | 'settled';
  customer?: { id: string; op: string; changed: readonly string[] };
};

/** What deciding a conflict about one kind of thing comes to, here and in the branch. */
export type ConflictEffect = {
  /** What may be decided; the others make no sense for such a thing. */
  strategies(conflict: Pick<Conflict, 'type' | 'kind'>): readonly Strategy[];
  /** Whether `merge` is told what it comes to. */
  takesMerged: boolean;
  /** `merged` as it may be kept for ever: what reaches a person under that person's key. @throws Problem */
  sealed?(tx: Tx, conflict: Conflict, merged: Record<string, unknown>, by: Deciding): Promise<Record<string, unknown>>;
  /** In the transaction of the decision. @throws Problem */
  apply(tx: Tx, conflict: Conflict, decision: Decision, by: Deciding): Promise<Effect>;
};

import type { Tx } from '../database/unit-of-work.js';
import type { ConflictType, LineRef, Strategy } from './record-conflict.js';

/** A conflict as it is decided about. */
export type Conflict = {
  id: string;
  branchId: string;
  type: ConflictType;
  kind: string;
  key: string;
  first: LineRef | null;
  second: LineRef | null;
  hub: Record<string, unknown> | null;
  branch: Record<string, unknown> | null;
  state: 'open' | 'settling' | 'settled';
  strategy: Strategy | null;
  merged: Record<string, unknown> | null;
  decidedBy: string | null;
};

type Row = Omit<Conflict, 'first' | 'second'> & {
  firstIncarnation: string | null;
  firstSeq: number | null;
  secondIncarnation: string | null;
  secondSeq: number | null;
};

/** Held until the transaction ends. The caller has the branch's lock. */
export async function lockConflict(tx: Tx, id: string): Promise<Conflict> {
  return conflictOf(await tx.one<Row>(`${SELECT} WHERE id = $1 FOR UPDATE`, [id]));
}

export async function readConflict(tx: Tx, id: string): Promise<Conflict> {
  return conflictOf(await tx.one<Row>(`${SELECT} WHERE id = $1`, [id]));
}

function conflictOf(row: Row): Conflict {
  const { firstIncarnation, firstSeq, secondIncarnation, secondSeq, ...conflict } = row;
  return { ...conflict, first: lineOf(firstIncarnation, firstSeq), second: lineOf(secondIncarnation, secondSeq) };
}

export function lineOf(incarnation: string | null, seq: number | null): LineRef | null {
  return incarnation === null || seq === null ? null : { incarnation, seq };
}

const SELECT = `
SELECT id, branch_id AS "branchId", type, kind, key, first_incarnation AS "firstIncarnation", first_seq AS "firstSeq",
  second_incarnation AS "secondIncarnation", second_seq AS "secondSeq", hub_content AS hub, branch_content AS branch, state, strategy, merged,
  decided_by AS "decidedBy"
FROM conflict`;

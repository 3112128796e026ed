import { correctionId } from '@branchline/replication/correction-id.js';
import { HUB_ACTOR, recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import type { ReadyLine } from '../sync/read-line.js';
import type { At } from './conflict-effect.js';

type Settling = { id: string; strategy: string; type: string; kind: string; key: string };

/** The conflicts that lines of a push were written to settle; of nearly all pushes none. */
export function conflictsAnswered(lines: readonly ReadyLine[]): string[] {
  const answered = new Set<string>();
  for (const line of lines)
    if (line.kind === 'sale' && line.body.conflict !== undefined) answered.add(line.body.conflict);
  return [...answered];
}

/** Settles those whose lines are all facts now. @returns how many */
export async function settleConflicts(tx: Tx, branchId: string, answered: readonly string[], at: At): Promise<number> {
  if (answered.length === 0) return 0;
  const settling = await tx.query<Settling>(
    `SELECT id, strategy, type, kind, key FROM conflict WHERE branch_id = $1 AND id = ANY ($2::uuid[]) AND state = 'settling' ORDER BY id FOR UPDATE`,
    [branchId, answered],
  );
  let settled = 0;
  for (const { id, strategy, type, kind, key } of settling) {
    const needed = [correctionId(id, 'reversal')];
    if (type === 'data_mismatch') needed.push(correctionId(id, 'replacement'));
    const { standing } = await tx.one<{ standing: number }>(
      'SELECT count(*) AS standing FROM sale WHERE branch_id = $1 AND id = ANY ($2::uuid[])',
      [branchId, needed],
    );
    if (standing < needed.length) continue;
    await tx.execute(
      `UPDATE conflict SET state = 'settled', settled_at = to_timestamp($2::bigint / 1000.0) WHERE id = $1`,
      [id, at.nowMs],
    );
    const detail = { type, kind, key, strategy, lines: needed };
    const entry = { actor: HUB_ACTOR, action: 'conflict.settle', subject: `conflict:${id}`, branchId, detail };
    await recordAudit(tx, entry, at);
    settled += 1;
  }
  return settled;
}

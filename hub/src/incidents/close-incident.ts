import { text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import { findIncident, type IncidentItem, type IncidentReach } from './list-incidents.js';

export const closeInput = z.strictObject({ note: text(1_000) });

/**
 * Looked at and done with; raised once more it is a new one. Asked again by the same person with the same note, it answers
 * the same. @throws Problem `not-found`, `already-settled`
 */
export async function closeIncident(
  tx: Tx,
  { id, note, by, reach }: { id: string; note: string; by: string; reach: IncidentReach },
  at: { nowMs: number; newId: NewId },
): Promise<IncidentItem> {
  if ((await findIncident(tx, id, reach)) === undefined) throw problem('not-found');
  const closed = await tx.query<{ branchId: string | null; code: string; key: string; count: number }>(
    `UPDATE incident SET closed_at = to_timestamp($2::bigint / 1000.0), closed_by = $3, note = $4 WHERE id = $1 AND closed_at IS NULL
     RETURNING branch_id AS "branchId", code, key, count`,
    [id, at.nowMs, by, note],
  );
  // After the update: whoever closed it before is seen.
  const incident = await findIncident(tx, id, reach);
  if (!incident) throw new Error(`incident ${id} was there and is not`);
  const [first] = closed;
  if (first) {
    const { branchId, code, key, count } = first;
    const detail = { code, key, count, note };
    await recordAudit(tx, { actor: by, action: 'incident.close', subject: `incident:${id}`, branchId, detail }, at);
  } else if (incident.closedBy !== by || incident.note !== note) {
    throw problem('already-settled', 'This incident was closed before.');
  }
  return incident;
}

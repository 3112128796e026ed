import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { storableText } from '../sync/storable.js';

/** `code`: what kind of thing happened. `key`: to what of the branch; `branchId` null: to the whole chain. */
export type NewIncident = { branchId: string | null; code: string; key: string; detail: string };

const KEY_CHARACTERS_MAX = 200;
const DETAIL_CHARACTERS_MAX = 1_000;
const OPENED_TOPIC = 'incident-opened ';

/** The incident that was opened by an announced transaction, or null for another topic. */
export function openedIncident(topic: string): string | null {
  return topic.startsWith(OPENED_TOPIC) ? topic.slice(OPENED_TOPIC.length) : null;
}

/**
 * Something that people have to look at. One is open for (branch, code, key): raised again it counts up and renews the
 * detail, so that what happens with every push does not fill the list. The first time it is a line on the log.
 */
export async function raiseIncident(
  tx: Tx,
  { branchId, code, key, detail }: NewIncident,
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<void> {
  const { id, count } = await tx.one<{ id: string; count: number }>(RAISE, [
    tx.tenantId,
    newId(),
    branchId,
    code,
    storableText(key, KEY_CHARACTERS_MAX),
    storableText(detail, DETAIL_CHARACTERS_MAX),
    nowMs,
  ]);
  if (count === 1) tx.announced.add(`${OPENED_TOPIC}${id}`);
}

const RAISE = `
INSERT INTO incident (tenant_id, id, branch_id, code, key, detail, count, first_at, last_at)
VALUES ($1, $2, $3, $4, $5, $6, 1, to_timestamp($7::bigint / 1000.0), to_timestamp($7::bigint / 1000.0))
ON CONFLICT (tenant_id, branch_id, code, key) WHERE closed_at IS NULL
DO UPDATE SET count = incident.count + 1, detail = excluded.detail, last_at = greatest(incident.last_at, excluded.last_at)
RETURNING id, count`;

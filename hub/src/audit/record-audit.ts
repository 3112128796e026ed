import type { Principal } from '@branchline/access/principal.js';
import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { AUDIT_GENESIS, auditHash, type AuditEntry } from './audit-chain.js';

/** `detail` is JSON of few words: what changed, by name, and never a secret, nor what reaches a person. */
export type NewAuditEntry = Pick<AuditEntry, 'actor' | 'action' | 'subject' | 'branchId' | 'detail'>;

/** What the program does by itself. */
export const HUB_ACTOR = 'hub';

/** As the audit names who acts: by id, since names and e-mails may be erased and the chain may not. */
export function actorOf(who: Principal): string {
  if (who.kind === 'person') return `person:${who.personId}`;
  if (who.kind === 'integration') return `integration:${who.integrationId}`;
  if (who.kind === 'box') return `box:${who.boxId}`;
  return who.kind === 'operator' ? `operator:${who.operator}` : `device:${who.deviceId}`;
}

/**
 * One more entry of the tenant's audit, in the transaction of what it tells. To be called last: from here to the commit
 * the transaction holds the tenant's head, after which nobody else's entry can be made.
 */
export async function recordAudit(
  tx: Tx,
  entry: NewAuditEntry,
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<void> {
  const head = await tx.one<{ seq: number; hash: Buffer }>(HOLD_HEAD, [tx.tenantId, AUDIT_GENESIS]);
  // As JSON says it: an absent member is absent in what is stored, too.
  const detail = JSON.parse(JSON.stringify(entry.detail)) as Record<string, unknown>;
  const next: AuditEntry = { ...entry, detail, seq: head.seq + 1, id: newId(), atMs: nowMs };
  const hash = auditHash(head.hash, next);
  await tx.execute(INSERT, [
    tx.tenantId,
    next.seq,
    next.id,
    nowMs,
    next.actor,
    next.action,
    next.subject,
    next.branchId,
    JSON.stringify(detail),
    hash,
  ]);
  await tx.execute('UPDATE audit_head SET seq = $1, hash = $2', [next.seq, hash]);
}

const HOLD_HEAD = `
INSERT INTO audit_head (tenant_id, seq, hash) VALUES ($1, 0, $2)
ON CONFLICT (tenant_id) DO UPDATE SET seq = audit_head.seq RETURNING seq, hash`;

const INSERT = `
INSERT INTO audit_entry (tenant_id, seq, id, at, actor, action, subject, branch_id, detail, hash)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0), $5, $6, $7, $8, $9, $10)`;

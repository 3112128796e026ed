import { canonicalJson } from '@branchline/replication/canonical-json.js';
import { createHash } from 'node:crypto';

/** Who (`actor`), what (`action`, `subject`, `detail`), when (`atMs`), where (`branchId`; null: the whole chain). */
export type AuditEntry = {
  seq: number;
  id: string;
  atMs: number;
  actor: string;
  action: string;
  subject: string;
  branchId: string | null;
  detail: Record<string, unknown>;
};

/** Before the first entry of a tenant. */
export const AUDIT_GENESIS = Buffer.alloc(32);

/** `hash(n) = sha256(hash(n−1) ‖ canonical JSON of the entry)`, as journal lines are chained. */
export function auditHash(previous: Buffer, { seq, id, atMs, ...said }: AuditEntry): Buffer {
  const { actor, action, subject, branchId, detail } = said;
  const entry = canonicalJson({ seq, id, at: atMs, actor, action, subject, branch: branchId, detail });
  return createHash('sha256').update(previous).update(entry).digest();
}

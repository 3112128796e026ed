import type { Tx } from '../database/unit-of-work.js';
import { AUDIT_GENESIS, auditHash, type AuditEntry } from './audit-chain.js';

export type AuditHead = { seq: number; hash: string };

/** `differs`: the first place that is not what was recorded, and how. */
export type AuditVerdict = { entries: number; head: AuditHead; differs: { seq: number; what: AuditDifference } | null };

/**
 * `altered`: an entry that does not lead from the hash before it to its own (edited, exchanged, or before it something
 * was). `missing`: there is no such entry. `beyond-head`: entries that the head does not know. `head`: the head is not
 * where the chain ends. `rewritten`: the chain holds in itself, but not the head that was noted elsewhere.
 */
export type AuditDifference = 'altered' | 'missing' | 'beyond-head' | 'head' | 'rewritten';

const PAGE_ENTRIES = 1_000;

/**
 * Reads the tenant's audit from its first entry to its head. An edit, a deletion, two entries exchanged and a cut tail
 * are each seen, as long as `audit_head` stands. Who may write to both tables as their owner can make a shorter or another
 * chain that holds: that is only seen against a head which was noted elsewhere, `noted`.
 *
 * @param tx of one snapshot (REPEATABLE READ)
 */
export async function verifyAudit(tx: Tx, noted?: AuditHead): Promise<AuditVerdict> {
  const [kept] = await tx.query<{ seq: number; hash: Buffer }>('SELECT seq, hash FROM audit_head');
  const head = kept ?? { seq: 0, hash: AUDIT_GENESIS };
  const told = { seq: head.seq, hash: head.hash.toString('hex') };
  let seq = 0;
  let hash: Buffer = AUDIT_GENESIS;
  let isNotedSeen = noted === undefined;
  const found = (at: number, what: AuditDifference): AuditVerdict => ({
    entries: seq,
    head: told,
    differs: { seq: at, what },
  });
  for (let page = await nextEntries(tx, seq); page.length > 0; page = await nextEntries(tx, seq)) {
    for (const { hash: said, ...entry } of page) {
      if (entry.seq !== seq + 1) return found(seq + 1, 'missing');
      hash = auditHash(hash, entry);
      if (!hash.equals(said)) return found(entry.seq, 'altered');
      if (entry.seq > head.seq) return found(entry.seq, 'beyond-head');
      seq = entry.seq;
      if (seq === noted?.seq) {
        if (hash.toString('hex') !== noted.hash) return found(seq, 'rewritten');
        isNotedSeen = true;
      }
    }
  }
  if (seq < head.seq) return found(seq + 1, 'missing');
  if (!hash.equals(head.hash)) return found(seq, 'head');
  if (!isNotedSeen) return found(seq + 1, 'missing');
  return { entries: seq, head: told, differs: null };
}

type Row = Omit<AuditEntry, 'atMs'> & { at: Date; hash: Buffer };

async function nextEntries(tx: Tx, afterSeq: number): Promise<(AuditEntry & { hash: Buffer })[]> {
  const rows = await tx.query<Row>(
    `SELECT seq, id, at, actor, action, subject, branch_id AS "branchId", detail, hash FROM audit_entry
     WHERE seq > $1 ORDER BY seq LIMIT ${PAGE_ENTRIES}`,
    [afterSeq],
  );
  return rows.map(({ at, ...row }) => ({ ...row, atMs: at.getTime() }));
}

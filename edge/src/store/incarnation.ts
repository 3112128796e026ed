import { canonicalJson } from '@branchline/replication/canonical-json.js';
import { GENESIS_HASH, sha256Hex } from '@branchline/replication/chain.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import { CONTRACT, type JournalLine } from '@branchline/replication/line.js';
import type { BoxIdentity } from './box.js';
import { hashAt, nextPosition, readHead, storeLine, type Head } from './journal.js';
import type { ReadTx, Tx } from './tx.js';

export type IncarnationReason = IncarnationOpen['reason'];

/** Nothing more may be written to the head's incarnation; the next line opens a new one, with a greater epoch. */
export function markIncarnationDue(tx: Tx, reason: IncarnationReason, epochAbove: number): void {
  tx.run(
    `INSERT INTO incarnation_due (id, reason, epoch_above) VALUES (1, ?, ?)
     ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, epoch_above = max(epoch_above, excluded.epoch_above)`,
    reason,
    epochAbove,
  );
}

/**
 * Opens a new incarnation where one is due, or the first; otherwise does nothing. Its first line says where it branched
 * off: by default at the head of the one before.
 */
export function openIncarnationIfDue(
  tx: Tx,
  box: BoxIdentity,
  nowMs: number,
  newId: () => string,
  previous?: IncarnationOpen['previous'],
): Head {
  const head = readHead(tx);
  if (head !== null && head.due === null) return head;
  const due = tx.get<{ reason: IncarnationReason; epochAbove: number }>(
    'SELECT reason, epoch_above AS epochAbove FROM incarnation_due',
  );
  const body: IncarnationOpen = {
    incarnation: newId(),
    tenant: box.tenant,
    branch: box.branch,
    branchCode: box.branchCode,
    box: box.box,
    signingKey: rawPublicKey(box.signingKey),
    sealingKey: rawPublicKey(box.sealingKey),
    epoch: nextEpoch(tx, box, due?.epochAbove ?? 0),
    previous: previous === undefined ? placeOf(head) : previous,
    reason: due?.reason ?? 'first',
  };
  writeFirstLine(tx, body, head?.hlc ?? null, nowMs);
  tx.run('DELETE FROM incarnation_due');
  const opened = readHead(tx);
  if (opened === null) throw new Error('an incarnation was opened and has no head');
  return opened;
}

function placeOf(head: Head | null): IncarnationOpen['previous'] {
  return head === null ? null : { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
}

/** Epochs only grow, as far as this file, the hub's grant and the witness know: two histories never print one number. */
function nextEpoch(tx: ReadTx, box: BoxIdentity, epochAbove: number): number {
  const last = tx.get<{ epoch: number }>('SELECT coalesce(max(epoch), 0) AS epoch FROM incarnation')?.epoch ?? 0;
  return Math.max(last + 1, epochAbove + 1, box.epoch);
}

function writeFirstLine(tx: Tx, body: IncarnationOpen, previousHlc: string | null, nowMs: number): void {
  const { lastInsertRowid } = tx.run(
    'INSERT INTO incarnation (id, epoch, opened_at) VALUES (?, ?, ?)',
    body.incarnation,
    body.epoch,
    nowMs,
  );
  const line: JournalLine = {
    seq: 1,
    kind: 'incarnation-open',
    key: body.incarnation,
    refs: [],
    contract: CONTRACT,
    at: nowMs,
    hlc: nextHlc(previousHlc, nowMs),
    actor: null,
    device: null,
    contentHash: sha256Hex(canonicalJson(body)),
    body,
  };
  const place = { incarnationNo: Number(lastInsertRowid), seq: 1, position: nextPosition(tx) };
  storeLine(tx, line, place, GENESIS_HASH, true);
}

/** What the witness file says of the last committed group. */
export type Witnessed = { incarnation: string; epoch: number; seq: number; hash: string };

/**
 * Whether the file may go on in its incarnation. A file restored from a backup, or exchanged for another, lacks the line
 * that its witness saw; then, or with no witness at all, its head may already stand differently elsewhere.
 */
export function judgeWitness(
  tx: ReadTx,
  witnessed: Witnessed | null,
): { reason: IncarnationReason; epochAbove: number } | null {
  const head = readHead(tx);
  if (witnessed === null) return head === null ? null : { reason: 'witness-missing', epochAbove: head.epoch };
  const incarnation = tx.get<{ no: number }>('SELECT no FROM incarnation WHERE id = ?', witnessed.incarnation);
  const known = incarnation !== undefined && hashAt(tx, incarnation.no, witnessed.seq) === witnessed.hash;
  return known ? null : { reason: 'witness-ahead', epochAbove: witnessed.epoch };
}

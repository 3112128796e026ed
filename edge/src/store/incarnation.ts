import { canonicalJson } from '@branchline/replication/canonical-json.js';
import { GENESIS_HASH, sha256Hex } from '@branchline/replication/chain.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { IncarnationOpen, IncarnationReason } from '@branchline/replication/kinds/incarnation-open.js';
import { contractOfLine } from '@branchline/replication/contracts.js';
import type { JournalLine } from '@branchline/replication/line.js';
import { APPLIED } from './applied.js';
import type { BoxIdentity } from './box.js';
import { nextPosition, readHead, storeLine, type Head } from './journal.js';
import type { ReadTx, Tx } from './tx.js';

/** A line that somebody has seen of a history of this file; `hash` in hex. */
export type SeenLine = { incarnation: string; seq: number; hash: string };

/** `missing`: what this file lacks, after whose coming the incarnation goes on; null: it never does. */
export type Due = { reason: IncarnationReason; epochAbove: number; missing: SeenLine | null };

/** Nothing more may be written to the head's incarnation; the next line opens a new one, with a greater epoch. */
export function markIncarnationDue(tx: Tx, { reason, epochAbove, missing }: Due): void {
  tx.run(
    `INSERT INTO incarnation_due (id, reason, epoch_above, is_final) VALUES (1, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET epoch_above = max(epoch_above, excluded.epoch_above),
       is_final = max(is_final, excluded.is_final), reason = CASE WHEN is_final = 1 THEN reason ELSE excluded.reason END`,
    reason,
    epochAbove,
    missing === null ? 1 : 0,
  );
  if (missing === null) return;
  const { incarnation, seq, hash } = missing;
  tx.run('INSERT OR IGNORE INTO missing_line VALUES (?, ?, ?)', incarnation, seq, Buffer.from(hash, 'hex'));
}

/** Lies in this file, be it in a history that the hub has or in one that stands again elsewhere. */
export function hasLine(tx: ReadTx, { incarnation, seq, hash }: SeenLine): boolean {
  const found = tx.get(
    `SELECT 1 FROM incarnation i JOIN journal j ON j.incarnation_no = i.no
     WHERE i.id = ? AND j.seq = ? AND j.hash = ? LIMIT 1`,
    incarnation,
    seq,
    Buffer.from(hash, 'hex'),
  );
  return found !== undefined;
}

/**
 * After lines were fetched: where all that anybody had seen is here, and the hub has no more, the head's incarnation goes
 * on behind them. @returns whether one was due and is no more
 */
export function goOnIfComplete(tx: Tx): boolean {
  const head = readHead(tx);
  const due = tx.get<{ isFinal: number }>('SELECT is_final AS isFinal FROM incarnation_due');
  if (head === null || due === undefined || due.isFinal === 1) return false;
  const missing = tx.all<{ incarnation: string; seq: number; hash: Buffer }>(
    'SELECT incarnation, seq, hash FROM missing_line',
  );
  if (!missing.every((line) => hasLine(tx, { ...line, hash: line.hash.toString('hex') }))) return false;
  if (tx.get('SELECT 1 FROM history_due WHERE incarnation_no = ?', head.incarnationNo) !== undefined) return false;
  endDue(tx);
  tx.run(
    `UPDATE journal_head SET (seq, hash, position) =
       (SELECT seq, hash, position FROM journal WHERE incarnation_no = ? ORDER BY seq DESC LIMIT 1)`,
    head.incarnationNo,
  );
  return true;
}

function endDue(tx: Tx): void {
  tx.run('DELETE FROM incarnation_due');
  tx.run('DELETE FROM missing_line');
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
  writeFirstLine(tx, body, nowMs);
  endDue(tx);
  const opened = readHead(tx);
  if (opened === null) throw new Error('an incarnation was opened and has no head');
  return opened;
}

function placeOf(head: Head | null): IncarnationOpen['previous'] {
  return head === null ? null : { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
}

/** Epochs only grow, as far as this file, the hub and the witness know: two histories never print one number. */
function nextEpoch(tx: ReadTx, box: BoxIdentity, epochAbove: number): number {
  const known = epochsKnown(tx);
  return Math.max((known?.here ?? 0) + 1, (known?.hub ?? 0) + 1, epochAbove + 1, box.epoch);
}

type EpochsKnown = { here: number; hub: number };

function epochsKnown(tx: ReadTx): EpochsKnown | undefined {
  return tx.get<EpochsKnown>(
    `SELECT coalesce((SELECT max(epoch) FROM incarnation), 0) AS here, coalesce((SELECT epoch FROM hub_known), 0) AS hub`,
  );
}

/**
 * What a till says of epochs is believed so far beyond what is known here: so many disasters no store has, and each epoch
 * is printed on receipts with nine digits at most. A till that names the last one must not take the store there.
 */
export const EPOCHS_AHEAD_MAX = 1_000;

export function highestEpochKnown(tx: ReadTx): number {
  const known = epochsKnown(tx);
  return Math.max(known?.here ?? 0, known?.hub ?? 0);
}

/** Its clock begins anew: a day on which this box's was years ahead is not to stay in all that it writes. */
function writeFirstLine(tx: Tx, body: IncarnationOpen, nowMs: number): void {
  const { lastInsertRowid } = tx.run(
    'INSERT INTO incarnation (id, box, epoch, opened_at) VALUES (?, ?, ?, ?)',
    body.incarnation,
    body.box,
    body.epoch,
    nowMs,
  );
  const line: JournalLine = {
    seq: 1,
    kind: 'incarnation-open',
    key: body.incarnation,
    refs: [],
    contract: contractOfLine('incarnation-open'),
    at: nowMs,
    hlc: nextHlc(null, nowMs),
    actor: null,
    device: null,
    contentHash: sha256Hex(canonicalJson(body)),
    body,
  };
  const place = { incarnationNo: Number(lastInsertRowid), seq: 1, position: nextPosition(tx) };
  storeLine(tx, line, place, GENESIS_HASH, APPLIED.written);
}

/** What the witness file says of the last committed group. */
export type Witnessed = SeenLine & { epoch: number };

/**
 * Whether the file may go on in its incarnation. A file restored from a backup, or exchanged for another, lacks the line
 * that its witness saw; then, or with no witness at all, its head may already stand differently elsewhere.
 */
export function judgeWitness(tx: ReadTx, witnessed: Witnessed | null): Due | null {
  const head = readHead(tx);
  if (witnessed === null)
    return head === null ? null : { reason: 'witness-missing', epochAbove: head.epoch, missing: null };
  if (hasLine(tx, witnessed)) return null;
  const { epoch: epochAbove, incarnation, seq, hash } = witnessed;
  return { reason: 'witness-ahead', epochAbove, missing: { incarnation, seq, hash } };
}

/** A file that came here from another box goes on in the name of this one. */
export function judgeBox(tx: ReadTx, box: string): Due | null {
  const head = readHead(tx);
  if (head === null || boxOf(tx, head.incarnationNo) === box) return null;
  return { reason: 'box-changed', epochAbove: head.epoch, missing: null };
}

export function boxOf(tx: ReadTx, incarnationNo: number): string {
  const row = tx.get<{ box: string }>('SELECT box FROM incarnation WHERE no = ?', incarnationNo);
  if (row === undefined) throw new Error(`no incarnation ${incarnationNo}`);
  return row.box;
}

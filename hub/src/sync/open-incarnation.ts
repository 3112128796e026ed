import { problem } from '@branchline/http/problem.js';
import { GENESIS_HASH } from '@branchline/replication/chain.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import { MalformedPush } from '@branchline/replication/push.js';
import type { Tx } from '../database/unit-of-work.js';
import { highestEpoch } from './histories.js';
import type { LineReading } from './read-line.js';

/** Whose push it is: from its token and the hub's own rows, never from the body. */
export type BoxOfStream = { tenantId: string; branchId: string; boxId: string; signingKey: string };

/**
 * Epochs are printed on receipts with nine digits at most, and every box of the branch goes on above the highest that is
 * known here: one box that named the last would leave its branch without numbers, also when it is revoked and replaced.
 * A till may lead a store on by 1,000 at a time.
 */
const EPOCHS_AHEAD_MAX = 2_000;

/**
 * Opens a stream by its first line, which has to say of the box what the hub knows of it. `previous` is recorded, never a
 * reason to refuse.
 *
 * @throws MalformedPush, Problem `not-yours`
 */
export async function openIncarnation(
  tx: Tx,
  incarnation: string,
  first: LineReading | undefined,
  { box, nowMs }: { box: BoxOfStream; nowMs: number },
): Promise<void> {
  if (!first || !('ready' in first) || first.ready.kind !== 'incarnation-open') {
    throw new MalformedPush('an incarnation begins with incarnation-open');
  }
  const { body, atMs } = first.ready;
  if (body.incarnation !== incarnation) throw new MalformedPush('the first line opens another incarnation');
  refuseForeign(body, box);
  if (body.epoch > (await highestEpoch(tx, box.branchId, null)) + EPOCHS_AHEAD_MAX)
    throw new MalformedPush(`the branch has not come to epoch ${body.epoch}`);
  await tx.query(
    `INSERT INTO incarnation (tenant_id, branch_id, incarnation, box_id, epoch, reason, previous_incarnation, previous_seq, previous_hash, applied_seq,
       head_hash, last_line_at, opened_at, last_push_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, to_timestamp($11::bigint / 1000.0), to_timestamp($11::bigint / 1000.0),
       to_timestamp($12::bigint / 1000.0))`,
    [
      box.tenantId,
      box.branchId,
      incarnation,
      box.boxId,
      body.epoch,
      body.reason,
      ...previousOf(body),
      GENESIS_HASH,
      atMs,
      nowMs,
    ],
  );
}

function refuseForeign(body: IncarnationOpen, box: BoxOfStream): void {
  const isOwn =
    body.tenant === box.tenantId &&
    body.branch === box.branchId &&
    body.box === box.boxId &&
    body.signingKey === box.signingKey;
  if (!isOwn) throw problem('not-yours', 'The first line names another tenant, branch, box or key than the token.');
}

function previousOf({ previous }: IncarnationOpen): [string | null, number | null, Buffer | null] {
  return previous ? [previous.incarnation, previous.seq, Buffer.from(previous.hash, 'hex')] : [null, null, null];
}

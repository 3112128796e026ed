import type { PrincipalOf } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { headIsSigned } from '@branchline/replication/head-signature.js';
import { MalformedPush, type ReceivedPush } from '@branchline/replication/push.js';
import type { GiveWay } from '../database/give-way.js';
import { together, type Database, type Tx } from '../database/unit-of-work.js';
import { ingest, takeStanding, type IngestOutcome } from './ingest.js';
import type { BoxOfStream } from './open-incarnation.js';
import { openPush } from './push-body.js';
import { readPush, type ReadPush } from './read-push.js';
import { assertSpoken } from './spoken.js';

/** Whose token brought it. */
export type PushBox = Pick<PrincipalOf<'box'>, 'tenantId' | 'branchId' | 'boxId'>;

export type PushSource = { database: Database; clock: Clock; newId: NewId };

/** Where a push stands, and what became of it: enough to be answered, counted and logged. Plain data. */
export type AppliedPush = { incarnation: string; fromSeq: number; outcome: IngestOutcome };

/** A push that was taken apart and read; nothing of the hub's was looked at for it. */
export type OpenedPush = { push: ReceivedPush; read: ReadPush };

/** @param body as it was before compression @throws Problem `protocol`; MalformedPush */
export async function openAndRead(body: Buffer, mediaType: string, giveWay: GiveWay): Promise<OpenedPush> {
  const push = await openPush(body, mediaType, giveWay);
  assertSpoken(push.header.protocol);
  return { push, read: await readPush(push, giveWay) };
}

/** Takes a push in, whole, in one transaction. @throws Problem `not-yours`, `box-revoked`; MalformedPush */
export async function applyPush(
  { database, clock, newId }: PushSource,
  who: PushBox,
  { push, read }: OpenedPush,
): Promise<AppliedPush> {
  const { incarnation, fromSeq } = push.header;
  const outcome = await database.transaction(who.tenantId, async (tx) => {
    const nowMs = clock.now();
    const [{ box, timeZone, currency }, standing] = await together(
      findBox(tx, who),
      // Also for a push that is not signed: then nothing of it is written.
      takeStanding(tx, { tenantId: who.tenantId, branchId: who.branchId, incarnation }, nowMs),
    );
    if (!isSigned(push, box)) throw new MalformedPush('the head is not signed by this box');
    return ingest(tx, push, read, standing, { box, timeZone, currency, nowMs, newId });
  });
  return { incarnation, fromSeq, outcome };
}

type BoxRow = { signingKey: string; timeZone: string; currency: string; revoked: boolean };

/** The key that counts is the hub's own copy, never one that a body names. */
async function findBox(tx: Tx, who: PushBox): Promise<{ box: BoxOfStream; timeZone: string; currency: string }> {
  const { signingKey, timeZone, currency, revoked } = await tx.one<BoxRow>(
    `SELECT box.signing_key AS "signingKey", branch.time_zone AS "timeZone", branch.currency, box.revoked_at IS NOT NULL AS revoked
     FROM box JOIN branch ON branch.id = box.branch_id WHERE box.id = $1 AND box.branch_id = $2`,
    [who.boxId, who.branchId],
  );
  if (revoked) throw problem('box-revoked');
  return { box: { tenantId: who.tenantId, branchId: who.branchId, boxId: who.boxId, signingKey }, timeZone, currency };
}

function isSigned({ header }: ReceivedPush, box: BoxOfStream): boolean {
  const seq = header.fromSeq + header.count - 1;
  const head = {
    tenant: box.tenantId,
    branch: box.branchId,
    incarnation: header.incarnation,
    seq,
    hash: header.headHash,
  };
  return headIsSigned(head, header.signature, box.signingKey);
}

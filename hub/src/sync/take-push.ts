import type { LoggerService } from '@nestjs/common';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { Problem, problem, type ProblemBody, problemBody } from '@branchline/http/problem.js';
import { headIsSigned } from '@branchline/replication/head-signature.js';
import { MalformedPush, type PushAnswer, type ReceivedPush } from '@branchline/replication/push.js';
import { together, type Database, type Tx } from '../database/unit-of-work.js';
import { ingest, takeStanding, type IngestOutcome } from './ingest.js';
import type { IngestMetrics } from './ingest-metrics.js';
import type { BoxOfStream } from './open-incarnation.js';
import { openPush, type SentPush } from './push-body.js';
import type { PushTroubles } from './push-troubles.js';
import { readPush } from './read-push.js';
import { assertSpoken } from './spoken.js';

export type PushParts = {
  database: Database;
  clock: Clock;
  newId: NewId;
  metrics: IngestMetrics;
  logger: Pick<LoggerService, 'warn' | 'error'>;
  troubles: PushTroubles;
};

/** `refusal`: the order is not what is held; with our side of it, so that the edge can find where they part. */
export type PushOutcome = { answer: PushAnswer } | { refusal: ProblemBody & Record<string, unknown> };

/**
 * One push, from the bytes on the wire to the acknowledgement. What lies about its chain, its branch or its size is
 * refused whole, writes nothing, and leaves a line in the log and a count.
 *
 * @throws Problem `malformed-push`, `not-yours`, `protocol`, `body-too-large`, `box-revoked`
 */
export async function takePush(parts: PushParts, who: PrincipalOf<'box'>, sent: SentPush): Promise<PushOutcome> {
  try {
    const push = await openPush(sent);
    assertSpoken(push.header.protocol);
    const read = await readPush(push);
    const outcome = await parts.database.transaction(who.tenantId, async (tx) => {
      const nowMs = parts.clock.now();
      const { incarnation } = push.header;
      const [{ box, timeZone, currency }, standing] = await together(
        findBox(tx, who),
        // Also for a push that is not signed: then nothing of it is written.
        takeStanding(tx, { tenantId: who.tenantId, branchId: who.branchId, incarnation }, nowMs),
      );
      if (!isSigned(push, box)) throw new MalformedPush('the head is not signed by this box');
      return ingest(tx, push, read, standing, { box, timeZone, currency, nowMs, newId: parts.newId });
    });
    return concluded(parts, who, push, outcome);
  } catch (error) {
    const refusal = error instanceof MalformedPush ? problem('malformed-push', error.message) : error;
    if (refusal instanceof Problem) refused(parts, who, refusal.code, refusal.detail);
    throw refusal;
  }
}

type BoxRow = { signingKey: string; timeZone: string; currency: string; revoked: boolean };

/** The key that counts is the hub's own copy, never one that a body names. */
async function findBox(
  tx: Tx,
  who: PrincipalOf<'box'>,
): Promise<{ box: BoxOfStream; timeZone: string; currency: string }> {
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

/** After the commit: what was counted and logged did happen. */
function concluded(
  parts: PushParts,
  who: PrincipalOf<'box'>,
  { header }: ReceivedPush,
  outcome: IngestOutcome,
): PushOutcome {
  if (outcome.outcome === 'seq-gap') {
    const gap = problem('seq-gap', `Line ${outcome.appliedSeq + 1} is next, ${header.fromSeq} was sent.`);
    refused(parts, who, gap.code, gap.detail);
    return { refusal: { ...problemBody(gap), appliedSeq: outcome.appliedSeq } };
  }
  if (outcome.outcome === 'fork') {
    const fork = problem('fork', `The lines from ${header.fromSeq} on are not the ones that are held.`);
    refused(parts, who, fork.code, fork.detail);
    return { refusal: { ...problemBody(fork), hash: outcome.hash, appliedSeq: outcome.appliedSeq } };
  }
  const { metrics, logger, troubles } = parts;
  troubles.noteSetAside(who.boxId, outcome.setAside);
  metrics.linesApplied.inc(outcome.appliedLines);
  for (const { code } of outcome.setAside) metrics.linesSetAside.inc({ code });
  for (const { type } of outcome.disputes) metrics.conflicts.inc({ type });
  for (const { line, first } of outcome.mismatches) {
    metrics.conflicts.inc({ type: 'data_mismatch' });
    const message = 'a fact came again with other content';
    logger.error({
      message,
      branch: who.branchCode,
      kind: line.kind,
      key: line.key,
      incarnation: header.incarnation,
      seq: line.seq,
      first,
    });
  }
  return { answer: outcome.answer };
}

function refused(
  { metrics, logger, troubles }: PushParts,
  who: PrincipalOf<'box'>,
  reason: string,
  detail: string,
): void {
  troubles.fail(who.boxId);
  metrics.pushesRefused.inc({ reason });
  logger.warn({ message: 'push refused', branch: who.branchCode, box: who.boxId, reason, detail });
}

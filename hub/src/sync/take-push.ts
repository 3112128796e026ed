import type { LoggerService } from '@nestjs/common';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Problem, problem, type ProblemBody, problemBody } from '@branchline/http/problem.js';
import { MalformedPush, type PushAnswer } from '@branchline/replication/push.js';
import { applyPush, openAndRead, type AppliedPush, type PushBox, type PushSource } from './apply-push.js';
import type { IngestMetrics } from './ingest-metrics.js';
import { inflatePush, type SentPush } from './push-body.js';
import { isLongPush } from './push-lane.js';
import type { PushTroubles } from './push-troubles.js';

export type BulkPushes = {
  /** Those of one box in the order in which it is asked. @throws as `applyPush`; Problem `busy` */
  apply(who: PushBox, sent: SentPush): Promise<AppliedPush>;
  /** It gives way to this one. */
  meanwhile<T>(short: () => Promise<T>): Promise<T>;
};

export type PushParts = PushSource & {
  metrics: IngestMetrics;
  logger: Pick<LoggerService, 'warn' | 'error'>;
  troubles: PushTroubles;
  /** Applies what is long out of the way of everybody else; null: there is no such place. */
  bulk: BulkPushes | null;
};

/** `refusal`: the order is not what is held; with our side of it, so that the edge can find where they part. */
export type PushOutcome = { answer: PushAnswer } | { refusal: ProblemBody & Record<string, unknown> };

/** Decompressed: some 150 sales, or 20 ms. What a store sells while it is in touch is far below. */
export const BULK_BYTES_MIN = 32 * 1024;

/**
 * One push, from the bytes on the wire to the acknowledgement. What lies about its chain, its branch or its size is
 * refused whole, writes nothing, and leaves a line in the log and a count.
 *
 * @throws Problem `malformed-push`, `not-yours`, `protocol`, `body-too-large`, `box-revoked`, `busy`
 */
export async function takePush(parts: PushParts, who: PrincipalOf<'box'>, sent: SentPush): Promise<PushOutcome> {
  try {
    return concluded(parts, who, await applied(parts, who, sent));
  } catch (error) {
    const refusal = error instanceof MalformedPush ? problem('malformed-push', error.message) : error;
    if (refusal instanceof Problem && refusal.code !== 'busy') refused(parts, who, refusal.code, refusal.detail);
    throw refusal;
  }
}

async function applied(parts: PushParts, who: PushBox, sent: SentPush): Promise<AppliedPush> {
  const { bulk, database } = parts;
  // As the lane counts it, which lets two such of one box in: they go on in the order in which they came.
  if (bulk !== null && isLongPush(sent.bytes.length)) return bulk.apply(who, sent);
  const body = await inflatePush(sent.bytes, sent.encoding);
  const { mediaType } = sent;
  if (bulk !== null && body.length >= BULK_BYTES_MIN)
    return bulk.apply(who, { bytes: body, mediaType, encoding: 'identity' });
  const apply = async (): Promise<AppliedPush> =>
    applyPush(parts, who, await openAndRead(body, mediaType, database.giveWay));
  return bulk === null ? apply() : bulk.meanwhile(apply);
}

/** After the commit: what was counted and logged did happen. */
function concluded(
  parts: PushParts,
  who: PrincipalOf<'box'>,
  { incarnation, fromSeq, outcome }: AppliedPush,
): PushOutcome {
  if (outcome.outcome === 'seq-gap') {
    const gap = problem('seq-gap', `Line ${outcome.appliedSeq + 1} is next, ${fromSeq} was sent.`);
    told(parts, who, gap.code, gap.detail);
    parts.troubles.noteGap(who.boxId, { incarnation, fromSeq });
    return { refusal: { ...problemBody(gap), appliedSeq: outcome.appliedSeq } };
  }
  if (outcome.outcome === 'fork') {
    const fork = problem('fork', `The lines from ${fromSeq} on are not the ones that are held.`);
    refused(parts, who, fork.code, fork.detail);
    return { refusal: { ...problemBody(fork), hash: outcome.hash, appliedSeq: outcome.appliedSeq } };
  }
  const { metrics, logger, troubles } = parts;
  troubles.noteTaken(who.boxId, { incarnation, fromSeq: outcome.answer.appliedSeq + 1 });
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
      incarnation,
      seq: line.seq,
      first,
    });
  }
  return { answer: outcome.answer };
}

function refused(parts: PushParts, who: PrincipalOf<'box'>, reason: string, detail: string): void {
  parts.troubles.fail(who.boxId);
  told(parts, who, reason, detail);
}

function told({ metrics, logger }: PushParts, who: PrincipalOf<'box'>, reason: string, detail: string): void {
  metrics.pushesRefused.inc({ reason });
  logger.warn({ message: 'push refused', branch: who.branchCode, box: who.boxId, reason, detail });
}

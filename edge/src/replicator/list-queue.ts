import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { ReadTx } from '../store/tx.js';
import { queuedLines, type QueuedLine } from './sync-status.js';

export type QueueQuery = { limit: number; after?: string | undefined };

const cursorSchema = z.tuple([z.int().min(1), z.int().min(1)]);

/** `GET /v1/sync/queue`: what the hub does not have, in the order it will go. */
export function listQueue(tx: ReadTx, { limit, after }: QueueQuery): Page<QueuedLine> {
  const place = after === undefined ? null : decodeCursor(cursorSchema, after);
  return pageOf(
    queuedLines(tx, limit, place && { incarnationNo: place[0], seq: place[1] }),
    limit,
    ({ incarnationNo, seq }) => [incarnationNo, seq],
    ({ incarnation, seq, kind, key, at, bytes }) => ({ incarnation, seq, kind, key, at, bytes }),
  );
}

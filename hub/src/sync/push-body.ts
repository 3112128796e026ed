import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';
import { problem } from '@branchline/http/problem.js';
import { PACKED_PUSH_MEDIA_TYPE, PackedPush } from '@branchline/replication/packed/packed-push.js';
import {
  MalformedPush,
  PlainPush,
  PUSH_DECOMPRESSED_BYTES_MAX,
  type ReceivedLine,
  type ReceivedPush,
} from '@branchline/replication/push.js';
import type { GiveWay } from '../database/give-way.js';
import { Turn } from './turn.js';

/** As it came: its body and what its head says of it. */
export type SentPush = { bytes: Buffer; mediaType: string; encoding: string | undefined };

/**
 * The lines of a push, of whatever form, with the bytes that the box hashed and signed.
 * @param body as it was before compression
 * @throws MalformedPush, also when they do not lead to its head
 */
export async function openPush(body: Buffer, mediaType: string, giveWay: GiveWay): Promise<ReceivedPush> {
  const isPacked = mediaType.split(';')[0]?.trim().toLowerCase() === PACKED_PUSH_MEDIA_TYPE;
  const push = isPacked ? new PackedPush(body) : new PlainPush(body);
  const lines: ReceivedLine[] = [];
  const turn = new Turn();
  for (let line = push.next(); line !== null; line = push.next()) {
    lines.push(line);
    if (turn.isOver(line.bytes.length)) await giveWay();
  }
  return { header: push.header, lines };
}

const INFLATERS = { br: promisify(brotliDecompress), gzip: promisify(gunzip) } as const;

/**
 * The push as it was before compression. Stops at the limit: a bomb costs the limit and no more.
 * @throws Problem `unsupported-media-type`, `body-too-large`; MalformedPush when it was cut short
 */
export async function inflatePush(
  body: Buffer,
  encoding = 'identity',
  bytesMax = PUSH_DECOMPRESSED_BYTES_MAX,
): Promise<Buffer> {
  if (encoding === 'identity') return body;
  if (encoding !== 'br' && encoding !== 'gzip') {
    throw problem('unsupported-media-type', 'A push is encoded as br, gzip or identity.', {
      headers: { 'accept-encoding': 'br, gzip, identity' },
    });
  }
  try {
    return await INFLATERS[encoding](body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw problem('body-too-large', `Decompressed, a push has at most ${bytesMax} bytes.`);
    }
    throw new MalformedPush(`not ${encoding}, or cut short`);
  }
}

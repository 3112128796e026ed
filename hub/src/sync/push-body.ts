import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';
import { problem } from '@branchline/http/problem.js';
import { MalformedPush, PUSH_DECOMPRESSED_BYTES_MAX } from '@branchline/replication/push.js';

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

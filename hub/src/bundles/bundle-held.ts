import { splitHeader, type PushHeader } from '@branchline/replication/push.js';
import type { Database } from '../database/unit-of-work.js';
import { inflatePush, type SentPush } from '../sync/push-body.js';
import { findHash, findStream } from '../sync/streams.js';
import type { BundleBox } from './bundle-box.js';

/** It brings nothing: the branch was not heard from by it. What cannot be read is refused where it is taken. */
export async function isHeld(
  { database }: { database: Database },
  { tenantId, branchId, boxId }: BundleBox,
  { bytes, encoding }: SentPush,
): Promise<boolean> {
  let header: PushHeader;
  try {
    ({ header } = splitHeader(await inflatePush(bytes, encoding)));
  } catch {
    return false;
  }
  const { incarnation, fromSeq, count, headHash } = header;
  return database.transaction(tenantId, async (tx) => {
    const stream = await findStream(tx, branchId, incarnation);
    return stream?.boxId === boxId && (await findHash(tx, stream, fromSeq + count - 1)) === headHash;
  });
}

import { problem } from '@branchline/http/problem.js';
import type { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordPlace } from '@branchline/replication/bundle-records.js';
import { rangeText, SPOKEN, speaks } from '@branchline/replication/protocol.js';
import { z } from 'zod';

/** All of it is in one protocol, which its hello names. @throws Problem `protocol`, with what is to be done */
export async function assertSpokenIn(file: BundleFile, places: readonly RecordPlace[]): Promise<void> {
  const place = places.find(({ label }) => label?.kind === 'hello');
  const { data } = inProtocol.safeParse(place && (await file.readJson(place)));
  if (data === undefined || speaks(SPOKEN, data.protocol)) return;
  const { protocol } = data;
  const remedy =
    protocol > SPOKEN.to
      ? 'Take a bundle of this head office to the store, after which its box writes as it is spoken here, or upgrade head office and take this one in again.'
      : 'Upgrade the box and have it write a bundle anew: it keeps its lines.';
  const detail = `The bundle is in protocol ${protocol}, head office speaks ${rangeText(SPOKEN)}: nothing of it was taken. ${remedy}`;
  throw problem('protocol', detail, { members: { spoken: [SPOKEN.from, SPOKEN.to] } });
}

const inProtocol = z.looseObject({ protocol: z.int().min(1) });

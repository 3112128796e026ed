import { checkReplay, type Replayed, retries } from './replay-outage.js';
import type { AcceptContext, Outcome } from './row.js';

const REPLAY_MS_MAX = 3_600_000;
/** What replaying takes in memory does not depend on how many stores there are: a few of them need as much. */
const REPLAY_MB_MAX = 256;

/** All real sales through an edge of each store's own, with the hub away and each edge killed, against an independent sum. */
export function replayOfAllStoresEqualsTheExpected(context: AcceptContext): Promise<Outcome> {
  return checkReplay({ boxes: 3, boundMs: REPLAY_MS_MAX, check: memoryIsBounded, figure: peaks }, context);
}

export function memoryIsBounded({ memory: { replayMb } }: Replayed): string[] {
  if (replayMb === null || replayMb <= REPLAY_MB_MAX) return [];
  return [`the replay took ${replayMb} MiB, expected at most ${REPLAY_MB_MAX}`];
}

function peaks(replayed: Replayed): string {
  const { replayMb, hubMb, edgeMb, postgresMb } = replayed.memory;
  const mib = (mb: number | null) => (mb === null ? 'unknown' : `${mb} MiB`);
  const memory = `replay ${mib(replayMb)}, hub ${mib(hubMb)}, an edge ${mib(edgeMb)}, PostgreSQL ${mib(postgresMb)}`;
  return `${retries(replayed)}; peak memory: ${memory}`;
}

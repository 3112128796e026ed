import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import type { PushAnswer } from '@branchline/replication/push.js';
import type { SyncLogEntry } from './sync-log.js';

export type Quarantined = NonNullable<HelloAnswer['quarantined']>;

const QUARANTINED_TOLD_MAX = 20;

export function quarantinedTold(quarantined: PushAnswer['quarantined']): SyncLogEntry[] {
  const entry = (detail: string): SyncLogEntry => ({ level: 'warning', event: 'quarantined', detail });
  const entries = quarantined
    .slice(0, QUARANTINED_TOLD_MAX)
    .map(({ seq, code, detail }) => entry(`head office set line ${seq} aside: ${code}: ${detail}`));
  const untold = quarantined.length - entries.length;
  return untold > 0 ? [...entries, entry(`and ${untold} more lines`)] : entries;
}

/**
 * Of what a hello or a bundle says, that which no answer to a push has told yet: of lines that are acknowledged by it.
 * @param before how far they were acknowledged until then
 */
export function quarantinedNews(
  said: Quarantined,
  { incarnation, before, appliedSeq }: { incarnation: string; before: number; appliedSeq: number },
): SyncLogEntry[] {
  return quarantinedTold(
    said.filter((each) => each.incarnation === incarnation && each.seq > before && each.seq <= appliedSeq),
  );
}

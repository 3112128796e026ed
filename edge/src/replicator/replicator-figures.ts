import type { Clock } from '@branchline/domain/clock.js';
import { Gauge, type Registry } from 'prom-client';
import type { Store } from '../store/store.js';
import { linesBehind } from './history-due.js';
import { queueLength, readStreams } from './push-state.js';
import type { Replicator, Standing } from './replicator.js';
import type { Watchdog } from './watchdog.js';
import { isoOrNull, oldestQueuedAtMs } from './sync-status.js';

export type ReplicationReadiness = {
  line: 'up' | 'down';
  queue: number;
  oldestQueuedAt: string | null;
  lastContactAt: string | null;
  attempts: number;
  nudges: 'on' | 'off';
  standing: Standing;
  standingReason: string | null;
  behind: number;
  hubOffsetMs: number | null;
};

/** For `/health/ready`. A store without a line is ready all the same. */
export function replicationReadiness(store: Store, replicator: Replicator): ReplicationReadiness {
  const { line, lastContactAtMs, attempts, nudges, standing, standingReason, hubOffsetMs } = replicator.figures();
  const streams = readStreams(store.reads);
  return {
    line,
    queue: queueLength(streams),
    oldestQueuedAt: isoOrNull(oldestQueuedAtMs(store.reads, streams)),
    lastContactAt: isoOrNull(lastContactAtMs),
    attempts,
    nudges,
    standing,
    standingReason,
    behind: linesBehind(store.reads),
    hubOffsetMs,
  };
}

/** Read when they are scraped; nothing is counted twice. */
export function registerReplicationMetrics(
  registry: Registry,
  store: Store,
  replicator: Replicator,
  clock: Clock,
  watchdog: Pick<Watchdog, 'stuckMs'>,
): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `branchline_edge_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const startedAtMs = clock.now();
  const sinceContactMs = (): number => clock.now() - (replicator.figures().lastContactAtMs ?? startedAtMs);
  gauge('queue_lines', 'Journal lines the hub has not acknowledged', () => queueLength(readStreams(store.reads)));
  gauge(
    'writes_waiting_seconds',
    'For how long nothing has been written although somebody waits for it',
    () => store.writer.waitingMs() / 1000,
  );
  gauge(
    'not_acknowledged_seconds',
    'For how long lines have waited and none was acknowledged',
    () => watchdog.stuckMs() / 1000,
  );
  gauge('behind_lines', 'Journal lines of this store that the hub has and this box lacks', () =>
    linesBehind(store.reads),
  );
  gauge('box_revoked', 'Whether the hub refuses this box', () => (replicator.figures().standing === 'revoked' ? 1 : 0));
  gauge('no_common_protocol', 'Whether box and hub are to be brought to releases that understand each other', () =>
    replicator.figures().standing === 'no-common-protocol' ? 1 : 0,
  );
  gauge('sync_attempts', 'Attempts to reach the hub that failed in a row', () => replicator.figures().attempts);
  gauge('line_up', 'Whether the hub answered last time', () => (replicator.figures().line === 'up' ? 1 : 0));
  gauge('nudges_connected', 'Whether the hub can tell at once that something is new', () =>
    replicator.figures().nudges === 'on' ? 1 : 0,
  );
  gauge(
    'since_contact_seconds',
    'Seconds since the hub last answered, or since the start',
    () => sinceContactMs() / 1000,
  );
  gauge('sync_up_bytes', 'Bytes sent to the hub since the start', () => replicator.figures().bytesUp);
  gauge('sync_down_bytes', 'Bytes received from the hub since the start', () => replicator.figures().bytesDown);
}

import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

const RETRY_MS_FIRST = 250;
const RETRY_MS_MAX = 15_000;
/** A connection that nobody closed and that is dead looks like one on which nothing happens. */
const PROBE_MS = 20_000;
const PROBE_MS_MAX = 5_000;
const CONNECT_MS_MAX = 10_000;

export type ListenOptions = {
  url: string;
  channel: string;
  random: () => number;
  onNotification(payload: string): void;
  /** Once for each time the connection comes or goes; the reason it went. */
  onState(state: { listening: true } | { listening: false; reason: string }): void;
};

/**
 * Hears what committed transactions of any hub process have notified, on a connection of its own that is opened again
 * whenever it is lost. What is said meanwhile is not heard: for what may be lost only. Behind a pooler that hands a
 * connection to others between transactions nothing is heard at all.
 */
export class Notifications {
  private readonly stopping = new AbortController();
  private readonly stopped = new Promise<string>((resolve) =>
    this.stopping.signal.addEventListener('abort', () => resolve('stopped')),
  );
  private readonly running: Promise<void>;

  constructor(private readonly options: ListenOptions) {
    this.running = this.keepListening();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async keepListening(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      const reason = await this.listen(() => (failures = 0));
      this.options.onState({ listening: false, reason });
      failures += 1;
      const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(failures, 16));
      await pause(this.options.random() * ceilingMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns why it ended */
  private async listen(onListening: () => void): Promise<string> {
    const { url, channel, onNotification, onState } = this.options;
    const client = new pg.Client({
      connectionString: url,
      application_name: 'branchline-hub-notifications',
      connectionTimeoutMillis: CONNECT_MS_MAX,
      query_timeout: PROBE_MS_MAX,
      keepAlive: true,
    });
    const lost = new Promise<string>((resolve) => {
      client.on('error', (error) => resolve(error.message));
      client.on('end', () => resolve('the connection was ended'));
    });
    client.on('notification', ({ payload = '' }) => onNotification(payload));
    try {
      await client.connect();
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
      onListening();
      onState({ listening: true });
      return await this.untilLost(client, lost);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** One race for each connection: what lives long keeps a reaction for every one that it takes part in. */
  private async untilLost(client: pg.Client, lost: Promise<string>): Promise<string> {
    const over = new AbortController();
    try {
      return await Promise.race([lost, this.stopped, probing(client, over.signal)]);
    } finally {
      over.abort();
    }
  }
}

/** Never ends well: until the signal, or until the connection does not answer. */
async function probing(client: pg.Client, signal: AbortSignal): Promise<never> {
  for (;;) {
    await pause(PROBE_MS, undefined, { signal, ref: false });
    await client.query('SELECT 1');
  }
}

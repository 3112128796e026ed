import { setTimeout as pause } from 'node:timers/promises';
import { Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Authenticator, Box } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import { POLL_MS_HEADER, POLL_MS_MAX } from '@branchline/replication/box-protocol.js';
import type { FastifyRequest } from 'fastify';
import type { Database } from '../database/unit-of-work.js';

/** What is stored of a box may be this old when the box is heard again: about every second poll of a box as it comes. */
const STORED_MS_MAX = 35_000;
/** What is to be stored of many boxes is stored together. */
const STORE_DELAY_MS = 2_000;
/** Of the seconds that a stop may take. */
const STOP_MS_MAX = 1_000;

/** `pollMs`: null for a box that does not say. */
export type Contact = { atMs: number; pollMs: number | null };
type Heard = Contact & { tenantId: string; storedAtMs: number; storedPollMs: number | null };

/**
 * When each box was last heard: every request that proved itself counts, also a poll of the feed, which writes nothing of
 * its own. To the instant in this process, in memory, one entry for each box; for the other processes in `box_contact`,
 * at most once in `STORED_MS_MAX` a box and in one statement for all of a tenant.
 */
export class Contacts implements OnModuleDestroy {
  private readonly logger = new Logger('contacts');
  private readonly heardByBox = new Map<string, Heard>();
  private readonly due = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private storing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** The same proof, noted when it holds. */
  hearing(prove: Authenticator): Authenticator {
    return async (request) => {
      const principal = await prove(request);
      if (principal.kind === 'box') this.note(principal, pollMsOf(request));
      return principal;
    };
  }

  /** By this process. */
  last(boxId: string): Contact | undefined {
    return this.heardByBox.get(boxId);
  }

  /** What is due, now. */
  store(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    return (this.storing = this.storing.then(() => this.storeDue()));
  }

  /** Others look on while this process is replaced: what it heard last is theirs then. */
  async onModuleDestroy(): Promise<void> {
    for (const [boxId, { atMs, storedAtMs }] of this.heardByBox) if (atMs !== storedAtMs) this.due.add(boxId);
    // A database that does not answer is no reason to be killed for not stopping: then others wait for the next poll.
    const bound = new AbortController();
    await Promise.race([this.store(), pause(STOP_MS_MAX, undefined, { signal: bound.signal }).catch(() => undefined)]);
    bound.abort();
  }

  private note({ boxId, tenantId }: Box, pollMs: number | null): void {
    const atMs = this.clock.now();
    const known = this.heardByBox.get(boxId) ?? { storedAtMs: -Infinity, storedPollMs: null };
    this.heardByBox.set(boxId, { ...known, tenantId, atMs, pollMs });
    // Of a clock that was set back too.
    if (Math.abs(atMs - known.storedAtMs) < STORED_MS_MAX && pollMs === known.storedPollMs) return;
    this.due.add(boxId);
    this.timer ??= setTimeout(() => void this.store(), STORE_DELAY_MS).unref();
  }

  private async storeDue(): Promise<void> {
    const byTenant = new Map<string, [string, Heard][]>();
    for (const boxId of this.due) {
      const heard = this.heardByBox.get(boxId);
      if (heard) byTenant.set(heard.tenantId, [...(byTenant.get(heard.tenantId) ?? []), [boxId, heard]]);
    }
    this.due.clear();
    for (const [tenantId, boxes] of byTenant) await this.storeOf(tenantId, boxes);
  }

  /** A note that could not be written is written with the next request of its box: nothing else hangs on it. */
  private async storeOf(tenantId: string, boxes: readonly [string, Heard][]): Promise<void> {
    const columns = [
      boxes.map(([boxId]) => boxId),
      boxes.map(([, { atMs }]) => new Date(atMs)),
      boxes.map(([, { pollMs }]) => pollMs),
    ];
    try {
      await this.database.transaction(tenantId, (tx) => tx.execute(STORE, [tenantId, ...columns]));
    } catch (error) {
      this.logger.warn({ event: 'contacts-not-stored', boxes: boxes.length, reason: (error as Error).message });
      return;
    }
    for (const [boxId, { atMs, pollMs }] of boxes) {
      const heard = this.heardByBox.get(boxId);
      if (heard) Object.assign(heard, { storedAtMs: atMs, storedPollMs: pollMs });
    }
  }
}

/** Another process may have heard the box later. In one order, so that two processes do not wait for each other. */
const STORE = `
INSERT INTO box_contact (tenant_id, box_id, at, poll_ms)
SELECT $1::uuid, box_id, at, poll_ms FROM unnest($2::uuid[], $3::timestamptz[], $4::integer[]) AS heard (box_id, at, poll_ms)
 ORDER BY box_id
ON CONFLICT (box_id) DO UPDATE SET at = excluded.at, poll_ms = excluded.poll_ms WHERE box_contact.at < excluded.at`;

/** Advice of a box about itself: what is no such number is not taken. */
function pollMsOf({ headers }: Pick<FastifyRequest, 'headers'>): number | null {
  const said = headers[POLL_MS_HEADER];
  if (typeof said !== 'string' || !/^[1-9]\d{0,6}$/.test(said)) return null;
  const pollMs = Number(said);
  return pollMs <= POLL_MS_MAX ? pollMs : null;
}

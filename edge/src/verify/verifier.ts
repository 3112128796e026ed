import { setTimeout as pause } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import type { EdgeProof } from '@branchline/replication/verify-protocol.js';
import type { EdgeConfig } from '../config.js';
import { pollDelayMs, pollPhaseMs, type Chance } from '../replicator/backoff.js';
import { Loop, type RoundEnd } from '../replicator/loop.js';
import type { Replicator } from '../replicator/replicator.js';
import { logSync, type SyncLogEntry } from '../replicator/sync-log.js';
import { Reader } from '../store/reader.js';
import type { Store } from '../store/store.js';
import type { ThreadProgram } from '../store/thread-program.js';
import {
  ageMs,
  keepVerification,
  lastVerification,
  untilAskedAgainMs,
  verificationTold,
  type EdgeVerification,
} from './last-verification.js';
import { jobsOf, NoRoom, proveJournal } from './prove-journal.js';
import { proveLine } from './prove-line.js';
import type { VerifyJobs } from './verify-jobs.js';

export type VerifierParts = {
  store: Store;
  replicator: Pick<Replicator, 'withFeedAtRest' | 'stopSignal' | 'onVerifyAsked'>;
  config: Pick<EdgeConfig, 'databaseFile' | 'verifyMs' | 'retryMsMax'>;
  thread: ThreadProgram;
  version: string;
  clock: Clock;
  chance: Chance;
  timers: SchedulerRegistry;
  logger: Pick<LoggerService, 'error'>;
};

/** One moment of a file of ten million rows; only checkpoints wait for it. */
const JOB_MS_MAX = 120_000;
/** Sales first: a check of a busy store takes a third longer, and half a core at most. */
const BREATH_MS = 5;
/** A box that was off at its hour is not left out: some minutes after it has come up. */
const CATCH_UP_MS = 300_000;
/** What the hub was not told for want of a line. */
const TELL_AGAIN_MS = 600_000;
const TOLD_ONE_BY_ONE_MAX = 10;

/**
 * Proves this box to itself and to the hub: each row that lines wrote against the journal, the journal against its own
 * chain and against the hub's word, each row of the feed against the hub's sums. Daily at the branch's own hour, when asked
 * for, one at a time; it ends with the replicator.
 */
export class Verifier {
  private readonly loop: Loop;
  private running: Promise<EdgeVerification> | null = null;
  private next: Promise<EdgeVerification> | null = null;

  constructor(private readonly parts: VerifierParts) {
    this.loop = new Loop('verifier', parts.timers, parts.clock, (forced) => this.round(forced));
  }

  start(): void {
    const { store, clock, config } = this.parts;
    const last = lastVerification(store.reads);
    this.parts.replicator.onVerifyAsked((by) => this.asked(by));
    const isLate = last === null || ageMs(last.verification, clock.now()) > config.verifyMs;
    this.loop.start(isLate ? this.catchUpMs() : this.untilNextMs());
  }

  /**
   * By a nudge once, and by each hello as long as the hub has no answer: also by that of a check that runs, and whose
   * answer it will have. A nudge may be later than what that check has told.
   */
  private asked(by: 'nudge' | 'hello'): void {
    if (by === 'nudge' || this.running === null) this.loop.force();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await (this.next ?? this.running)?.catch(() => undefined);
  }

  /**
   * Begun after it was asked for: one that runs already may have passed by what is asked about. Whoever asks meanwhile
   * shares the next. @throws Problem storage-full, took-too-long, busy, shutting-down
   */
  verify(): Promise<EdgeVerification> {
    if (this.running === null) return this.begin();
    this.next ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.next = null;
        return this.begin();
      });
    return this.next;
  }

  private begin(): Promise<EdgeVerification> {
    this.running = this.run().finally(() => (this.running = null));
    return this.running;
  }

  private async run(): Promise<EdgeVerification> {
    const { store, config, thread, clock, logger, replicator, version } = this.parts;
    const alarm = (message: string): void => logger.error(message);
    const reader = new Reader<VerifyJobs>({
      file: config.databaseFile,
      thread,
      limits: { readMsMax: JOB_MS_MAX },
      alarm,
    });
    const jobs = jobsOf<VerifyJobs>(reader);
    const breathe = (): Promise<void> => this.breathe();
    const at = new Date(clock.now()).toISOString();
    try {
      const journal = await proveJournal({ jobs, databaseFile: config.databaseFile, breathe });
      const line = await replicator.withFeedAtRest((rest) => proveLine({ ...rest, store, jobs, breathe, version }));
      const named = [...journal.findings.named, ...line.findings.named];
      const count = journal.findings.count + line.findings.count;
      const verification: EdgeVerification = {
        at,
        outcome: count === 0 ? 'equal' : 'differs',
        hub: line.hub,
        askAgainAt: line.hub === 'busy' ? this.askAgainAt(line.retryAfterMs) : null,
        provedTo: journal.findings.count === 0 ? line.provedTo : null,
        ...{ lines: journal.lines, rows: journal.rows, days: journal.days },
        ...{ feeds: line.feeds, repaired: line.repaired, differences: named, count },
      };
      await this.keep(verification);
      return verification;
    } catch (error) {
      if (error instanceof NoRoom) throw problem('storage-full', error.message);
      throw error;
    } finally {
      await reader.close();
    }
  }

  private async breathe(): Promise<void> {
    if (this.parts.replicator.stopSignal.aborted) throw problem('shutting-down');
    await pause(BREATH_MS);
  }

  private async keep(verification: EdgeVerification): Promise<void> {
    const { store, logger } = this.parts;
    const entries = entriesOf(verification);
    await store.writer.write(keepVerification, { verification, entries });
    for (const { level, event, detail } of entries) if (level === 'incident') logger.error(`${event}: ${detail}`);
    if (verification.hub === 'asked') await this.tell(verification);
    // Told as soon as the line is back, whoever asked for it.
    else this.loop.nudge();
  }

  /** Without a line the loop comes back to it. */
  private async tell(verification: EdgeVerification): Promise<void> {
    const { store, replicator } = this.parts;
    try {
      await replicator.withFeedAtRest(({ hub }) => hub.tellProof(proofOf(verification)));
    } catch {
      return;
    }
    await store.writer.write(verificationTold, { at: verification.at });
  }

  private async round(forced: boolean): Promise<RoundEnd> {
    const { store, config, clock, replicator } = this.parts;
    const last = lastVerification(store.reads);
    if (last !== null && !last.told) await this.tell(last.verification);
    const age = last === null ? Infinity : ageMs(last.verification, clock.now());
    try {
      if (forced || age >= config.verifyMs / 2 || this.untilAskedAgainMs() === 0) await this.verify();
    } catch (error) {
      if (replicator.stopSignal.aborted) return { kind: 'halted' };
      await this.skipped(error as Error);
    }
    const isTold = lastVerification(store.reads)?.told !== false;
    const afterMs = this.untilNextMs();
    return { kind: 'idle', afterMs: isTold ? afterMs : Math.min(afterMs, TELL_AGAIN_MS) };
  }

  private async skipped({ message }: Error): Promise<void> {
    const { store, logger } = this.parts;
    logger.error(`the box was not verified: ${message}`);
    const entry: SyncLogEntry = { level: 'warning', event: 'verify-skipped', detail: message };
    await store.writer.write(logSync, { entries: [entry] }).catch(() => undefined);
  }

  /** As long as the hub asks for, and no sooner than after any other trouble at its worst: each try reads the whole journal. */
  private askAgainAt(retryAfterMs: number | null): string {
    const { clock, chance, config } = this.parts;
    const waitMs = Math.max(retryAfterMs ?? 0, config.retryMsMax);
    return new Date(clock.now() + waitMs + Math.floor(chance() * waitMs)).toISOString();
  }

  private untilAskedAgainMs(): number | null {
    const { store, clock, config } = this.parts;
    const last = lastVerification(store.reads);
    return last && untilAskedAgainMs(last.verification, clock.now(), config.verifyMs);
  }

  private untilNextMs(): number {
    return Math.min(this.untilTurnMs(), this.untilAskedAgainMs() ?? Infinity);
  }

  private untilTurnMs(): number {
    const { store, config, clock, chance } = this.parts;
    return pollDelayMs(clock.now(), pollPhaseMs(store.box.branch, config.verifyMs), config.verifyMs, chance);
  }

  private catchUpMs(): number {
    return CATCH_UP_MS + Math.floor(this.parts.chance() * CATCH_UP_MS);
  }
}

function entriesOf(verification: EdgeVerification): SyncLogEntry[] {
  const { outcome, differences, count, lines, rows, feeds, repaired } = verification;
  const records = feeds.reduce((sum, feed) => sum + feed.records, 0);
  const looked = `${lines} lines, ${rows} rows and ${records} records of head office`;
  if (outcome === 'equal') return [{ level: 'info', event: 'verified', detail: `${looked} hold together` }];
  const entries = differences
    .slice(0, TOLD_ONE_BY_ONE_MAX)
    .map(({ what, detail }) => ({ level: 'incident' as const, event: `verify-${what}`, detail }));
  const detail = `of ${looked} ${count} differ; ${repaired} records were taken again`;
  return [...entries, { level: 'incident', event: 'verify-differs', detail }];
}

function proofOf({ at, outcome, provedTo, rows, feeds, repaired, differences, count }: EdgeVerification): EdgeProof {
  return { at: Date.parse(at), outcome, journal: provedTo, rows, feeds, repaired, differences, count };
}

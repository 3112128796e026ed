import { Worker } from 'node:worker_threads';
import type { LoggerService } from '@nestjs/common';
import type { Announcement } from '../../database/unit-of-work.js';
import type { AppliedPush, PushBox } from '../apply-push.js';
import type { SentPush } from '../push-body.js';
import { busy } from '../push-lane.js';
import { ofPlainFailure, type BulkPlace, type FromBulkThread, type ToBulkThread } from './bulk-messages.js';
import { ShortPushes } from './short-pushes.js';

/** Which program the thread runs. `execArgv`: flags of Node for it alone. */
export type BulkProgram = { url: URL; execArgv?: string[] };

export type BulkThreadParts = Omit<BulkPlace, 'shortPushes'> & {
  program: BulkProgram;
  logger: Pick<LoggerService, 'error'>;
  /** What a push of the thread announced, for this process's listeners. */
  announce(announcement: Announcement): void;
};

/** After it ended: one that cannot even begin is not begun again and again. */
const RESTART_MS_MIN = 2_000;

/** A push of 1,000 sales is many objects that live as long as it does: with room for them a sale took 9 % less of a processor. */
const HEAP = { maxYoungGenerationSizeMb: 128 };

type Pending = { resolve(applied: AppliedPush): void; reject(error: Error): void };

/**
 * Applies long pushes in a thread of its own. To read 1,000 sales and to make their columns takes 60 ms of a processor, and
 * whoever sells one in between waited for slices of it at each of his own steps: beside a store that catches up the
 * slowest in a hundred took five times as long.
 *
 * Should the thread die, what it had in hand is told to be tried again, whether or not it was committed: a box offers its
 * lines again, and those that stand are passed over. The next push starts it anew.
 */
export class BulkThread {
  private readonly shortPushes = new ShortPushes();
  private worker: Worker | null = null;
  private readonly pending = new Map<number, Pending>();
  private lastNo = 0;
  private endedAtMs = -Infinity;
  private closing = false;

  constructor(private readonly parts: BulkThreadParts) {
    this.worker = this.start();
  }

  /**
   * Of one box's pushes the next is read while the one before is in the database, and goes in after it, in the order of
   * asking. @throws what `takeBulk` does; Problem `busy` while there is no thread
   */
  async apply(who: PushBox, sent: SentPush): Promise<AppliedPush> {
    const worker = this.running();
    if (worker === null) throw busy();
    const no = (this.lastNo += 1);
    // Its own bytes, to be handed over: what a body lies in may hold others.
    const bytes = new Uint8Array(sent.bytes);
    const push: ToBulkThread = { kind: 'push', no, who: boxOf(who), sent: { ...sent, bytes } };
    return new Promise((resolve, reject) => {
      this.pending.set(no, { resolve, reject });
      worker.postMessage(push, [bytes.buffer]);
    });
  }

  /** The thread gives way to it. */
  meanwhile<T>(short: () => Promise<T>): Promise<T> {
    return this.shortPushes.during(short);
  }

  /** When what it has in hand is done. */
  async close(): Promise<void> {
    this.closing = true;
    const { worker } = this;
    if (worker === null) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const close: ToBulkThread = { kind: 'close' };
    worker.postMessage(close);
    await ended;
  }

  private running(): Worker | null {
    if (this.closing) return null;
    if (this.worker === null && performance.now() - this.endedAtMs >= RESTART_MS_MIN) this.worker = this.start();
    return this.worker;
  }

  private start(): Worker {
    const { databaseUrl, program } = this.parts;
    const place: BulkPlace = { databaseUrl, shortPushes: this.shortPushes.shared };
    const worker = new Worker(program.url, { workerData: place, execArgv: program.execArgv, resourceLimits: HEAP });
    worker.on('message', (message: FromBulkThread) => this.heard(message));
    worker.on('error', (error) => this.parts.logger.error({ message: 'the thread of bulk pushes failed', error }));
    worker.on('exit', (code) => this.ended(code));
    return worker;
  }

  private heard(message: FromBulkThread): void {
    if (message.kind === 'announced') return this.parts.announce(message.announcement);
    const { no } = message;
    const pending = this.pending.get(no);
    this.pending.delete(no);
    if (message.kind === 'applied') pending?.resolve(message.applied);
    else pending?.reject(ofPlainFailure(message.failure));
  }

  private ended(code: number): void {
    this.worker = null;
    this.endedAtMs = performance.now();
    if (!this.closing) this.parts.logger.error({ message: 'the thread of bulk pushes ended', code });
    for (const { reject } of this.pending.values()) reject(busy());
    this.pending.clear();
  }
}

function boxOf({ tenantId, branchId, boxId }: PushBox): PushBox {
  return { tenantId, branchId, boxId };
}

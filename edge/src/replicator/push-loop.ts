import { PUSH_LINES_FIRST, type PushAnswer } from '@branchline/replication/push.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { LineRange } from '../selling/in-flight.js';
import { hashAt } from '../store/journal.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure, Refusal } from './hub-failure.js';
import type { MeetHub } from './meet-hub.js';
import type { PersonKeyExchange } from './person-key-exchange.js';
import {
  batchAfterRefusal,
  batchAfterSuccess,
  judgeAnswer,
  nextBatch,
  restAfter,
  type PushBatch,
  type PushForm,
  type Signer,
} from './push-batch.js';
import { acknowledge, readStreams, streamToPush, type Stream } from './push-state.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

export type PushParts = {
  store: Store;
  hub: HubClient;
  meet: MeetHub;
  keys: Pick<PersonKeyExchange, 'offerAhead'>;
  clock: Clock;
  /** Of a push at most; it begins with fewer. */
  linesMax: number;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
};

/** After so many pushes in a row a round ends and another begins at once: shutdown and force get their turn. */
const PUSHES_IN_A_ROUND_MAX = 1_000;
/** In one round; a hub that contradicts itself more often than that is waited for. */
const CORRECTIONS_MAX = 3;
const QUARANTINED_TOLD_MAX = 20;
/** After it a hub that did not take a packed push is tried with one again: it may be a newer one by then. */
const PLAIN_MS = 600_000;

type Prepared = { form: PushForm; protocol: number; batch: Promise<PushBatch> };

/** Ships the journal, oldest incarnation first, one push in flight. */
export class PushRound {
  private linesMax: number;
  private flying: PushBatch | null = null;
  private plainUntilMs = 0;
  private prepared: Prepared | null = null;

  constructor(
    private readonly parts: PushParts,
    private readonly signal: AbortSignal,
  ) {
    this.linesMax = Math.min(PUSH_LINES_FIRST, parts.linesMax);
  }

  linesInFlight(): LineRange | null {
    if (this.flying === null) return null;
    const { incarnationNo, fromSeq, lastSeq } = this.flying;
    return { incarnationNo, fromSeq, lastSeq };
  }

  /** @returns whether lines are left @throws LineFailure, Refusal: nothing is skipped, the round ends */
  async run(): Promise<boolean> {
    try {
      await this.parts.meet.ifDue();
      return await this.pushAll();
    } finally {
      await this.forgetPrepared();
    }
  }

  private async pushAll(): Promise<boolean> {
    const { store, onContact } = this.parts;
    let corrections = 0;
    let mayOfferKeys = true;
    for (let pushes = 0; pushes < PUSHES_IN_A_ROUND_MAX; pushes++) {
      const stream = streamToPush(readStreams(store.reads));
      if (stream === null || this.signal.aborted) return false;
      // Once in vain is enough for a round: a line that is down takes its time to say so.
      mayOfferKeys &&= await this.parts.keys.offerAhead();
      const batch = await this.batchOf(stream);
      this.prepareAfter(batch, stream);
      try {
        await this.pushOne(batch);
        onContact();
      } catch (error) {
        if (corrections === CORRECTIONS_MAX || !(await this.corrected(error))) throw error;
        corrections += 1;
      }
    }
    return true;
  }

  /** The one that was prepared, when things came as was thought. */
  private async batchOf(stream: Stream): Promise<PushBatch> {
    const { prepared, form, signer } = this;
    if (prepared !== null) {
      const batch = await prepared.batch;
      this.prepared = null;
      const isNext = batch.incarnationNo === stream.incarnationNo && batch.fromSeq === stream.appliedSeq + 1;
      if (isNext && prepared.form === form && prepared.protocol === signer.protocol) return batch;
    }
    return nextBatch(this.parts.store.reads, stream, this.linesMax, signer, form);
  }

  /** While the hub works on one push, the next is read and packed: of a backlog that is a fifth of the time. */
  private prepareAfter(before: PushBatch, stream: Stream): void {
    const rest = restAfter(before, stream);
    if (rest === null) return;
    const { store, linesMax } = this.parts;
    const lines = batchAfterSuccess(this.linesMax, linesMax);
    const { form, signer } = this;
    const batch = nextBatch(store.reads, rest, lines, signer, form);
    this.prepared = { form, protocol: signer.protocol, batch };
    // Told to whoever takes it; who does not, has trouble of his own.
    batch.catch(() => undefined);
  }

  private async forgetPrepared(): Promise<void> {
    await this.prepared?.batch.catch(() => undefined);
    this.prepared = null;
  }

  private get signer(): Signer {
    const { store, hub } = this.parts;
    return { ...store.box, protocol: hub.speech.protocol };
  }

  private get form(): PushForm {
    return this.parts.clock.now() < this.plainUntilMs ? 'plain' : 'packed';
  }

  /** Where the hub stands elsewhere than this box believed, hello mends it at once. @returns whether to go on */
  private async corrected(error: unknown): Promise<boolean> {
    if (!(error instanceof Refusal)) return false;
    const { meet } = this.parts;
    // `protocol`: the hub was exchanged for another release; by its refusal it is known which to speak.
    if (!['seq-gap', 'fork', 'push-unclear', 'protocol'].includes(error.code)) return false;
    meet.makeDue();
    await meet.ifDue();
    return true;
  }

  private async pushOne(batch: PushBatch): Promise<void> {
    const { store, hub } = this.parts;
    this.flying = batch;
    try {
      const answer = await hub.push(batch);
      const verdict = judgeAnswer(batch, answer, (seq) => hashAt(store.reads, batch.incarnationNo, seq));
      if (verdict.kind === 'unclear') {
        const said = `the answer to lines ${batch.fromSeq}–${batch.lastSeq} speaks of line ${answer.appliedSeq}`;
        throw new Refusal({ status: 200, code: 'push-unclear', detail: said, retryAfterMs: null, extension: {} });
      }
      await this.acknowledge(batch, { ...answer, ...verdict });
      this.linesMax = batchAfterSuccess(this.linesMax, this.parts.linesMax);
    } catch (error) {
      if (batch.form === 'packed' && isUnpackable(error)) return await this.goOnPlain(error);
      const tooLarge = error instanceof Refusal && error.status === 413;
      // Halved from what was really sent: the byte limit may have cut the batch below the line limit. A line that broke may
      // break under the same again.
      if (tooLarge || error instanceof LineFailure)
        this.linesMax = batchAfterRefusal(batch.lastSeq - batch.fromSeq + 1);
      if (!tooLarge || batch.fromSeq === batch.lastSeq) throw error;
    } finally {
      this.flying = null;
    }
  }

  private async goOnPlain({ message }: Refusal): Promise<void> {
    const { store, clock } = this.parts;
    this.plainUntilMs = clock.now() + PLAIN_MS;
    const detail = `the hub did not take a packed push: ${message}; lines go as NDJSON for ${PLAIN_MS / 60_000} minutes`;
    await store.writer.write(logSync, { entries: [{ level: 'warning', event: 'push-plain', detail }] });
  }

  private async acknowledge(batch: PushBatch, answer: PushAnswer): Promise<void> {
    const { store, alarm } = this.parts;
    const { appliedSeq, durableSeq } = answer;
    const entries = logOf(batch, answer);
    const acknowledged = { incarnationNo: batch.incarnationNo, appliedSeq, durableSeq };
    await store.writer.write(acknowledge, { acknowledged, entries });
    // The hub knows these lines now; a file restored to before them must be recognised, even after a power cut.
    await store.writer.syncWitness();
    for (const { level, detail } of entries) if (level === 'incident') alarm(detail);
  }
}

/** It does not know the form, or does not come to the lines that were packed: said plainly they cannot be misread. */
function isUnpackable(error: unknown): error is Refusal {
  return error instanceof Refusal && (error.status === 415 || error.code === 'malformed-push');
}

function logOf(batch: PushBatch, answer: PushAnswer): SyncLogEntry[] {
  const { appliedSeq, quarantined } = answer;
  const lines = appliedSeq - batch.fromSeq + 1;
  const acknowledged = `the hub has ${lines === 1 ? 'line' : `${lines} lines up to`} ${appliedSeq}`;
  const entries: SyncLogEntry[] = [{ level: 'info', event: 'pushed', detail: acknowledged }];
  for (const { seq, code, detail } of quarantined.slice(0, QUARANTINED_TOLD_MAX)) {
    entries.push({
      level: 'warning',
      event: 'quarantined',
      detail: `head office set line ${seq} aside: ${code}: ${detail}`,
    });
  }
  const untold = quarantined.length - QUARANTINED_TOLD_MAX;
  if (untold > 0) entries.push({ level: 'warning', event: 'quarantined', detail: `and ${untold} more lines` });
  return entries;
}

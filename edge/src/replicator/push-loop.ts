import type { PushAnswer } from '@branchline/replication/push.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { LineRange } from '../selling/in-flight.js';
import { hashAt } from '../store/journal.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure, Refusal } from './hub-failure.js';
import type { MeetHub } from './meet-hub.js';
import type { PersonKeyExchange } from './person-key-exchange.js';
import { PushAhead, type EarlyOutcome, type NextPush } from './push-ahead.js';
import { judgeAnswer, sizeOf, type PushForm, type ReadyPush } from './push-batch.js';
import {
  firstPace,
  mayGoAhead,
  paceAfterSuccess,
  paceAfterTrouble,
  paceAfterVainAhead,
  PUSH_SIZE_MAX,
  sizeAhead,
  type PushPace,
  type PushSize,
} from './push-pace.js';
import { acknowledge, readStreams, streamToPush, type Stream } from './push-state.js';
import { quarantinedTold } from './quarantined-told.js';
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
/** After it a hub that did not take a packed push is tried with one again: it may be a newer one by then. */
const PLAIN_MS = 600_000;

/** What the hub had to search the push for, by taking it in parts: the smaller, the sooner found. */
const SEARCHED_FOR = ['projection-failed', 'not-tried'];

/** Ships the journal, oldest incarnation first, one push after the other; of a backlog the next one is under way already. */
export class PushRound {
  private readonly sizeMax: PushSize;
  private readonly ahead: PushAhead;
  private pace: PushPace;
  private flying: ReadyPush | null = null;
  private plainUntilMs = 0;

  constructor(
    private readonly parts: PushParts,
    private readonly signal: AbortSignal,
  ) {
    this.sizeMax = { ...PUSH_SIZE_MAX, lines: parts.linesMax };
    this.pace = firstPace(this.sizeMax);
    this.ahead = new PushAhead(parts);
  }

  linesInFlight(): LineRange | null {
    if (this.flying === null) return null;
    const { incarnationNo, fromSeq, lastSeq } = this.flying;
    return { incarnationNo, fromSeq, lastSeq: this.ahead.lastSeqUnderWay ?? lastSeq };
  }

  /** @returns whether lines are left @throws LineFailure, Refusal: nothing is skipped, the round ends */
  async run(): Promise<boolean> {
    try {
      await this.parts.meet.ifDue();
      return await this.pushAll();
    } finally {
      await this.ahead.callOff();
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
      const next = await this.ahead.take(stream, this.pace.size, this.form);
      this.prepareAfter(next.push, stream, mayOfferKeys);
      try {
        await this.pushOne(next);
        onContact();
      } catch (error) {
        if (await this.tookTheNext()) continue;
        if (corrections === CORRECTIONS_MAX || !(await this.corrected(error))) throw error;
        corrections += 1;
      }
    }
    return true;
  }

  private prepareAfter(push: ReadyPush, stream: Stream, mayOfferKeys: boolean): void {
    const size = sizeAhead(this.pace, sizeOf(push), this.sizeMax);
    this.ahead.prepare(push, stream, { size, form: this.form, mayGo: mayOfferKeys && mayGoAhead(this.pace) });
  }

  /** The answer to a push was lost, and not that to the one after it: the hub has both, and hello also says what waits of the first. */
  private async tookTheNext(): Promise<boolean> {
    const gone = await this.ahead.callOff();
    if (gone === null || 'error' in gone.outcome) return false;
    const { push, outcome } = gone;
    if (this.judge(push, outcome.answer).kind === 'unclear') return false;
    await this.askHub();
    return true;
  }

  private get form(): PushForm {
    return this.parts.clock.now() < this.plainUntilMs ? 'plain' : 'packed';
  }

  /** Where the hub stands elsewhere than this box believed, hello mends it at once. @returns whether to go on */
  private async corrected(error: unknown): Promise<boolean> {
    if (!(error instanceof Refusal)) return false;
    // `protocol`: the hub was exchanged for another release; by its refusal it is known which to speak.
    if (!['seq-gap', 'fork', 'push-unclear', 'protocol'].includes(error.code)) return false;
    await this.askHub();
    return true;
  }

  private async askHub(): Promise<void> {
    this.parts.meet.makeDue();
    await this.parts.meet.ifDue();
  }

  private async pushOne({ push, early }: NextPush): Promise<void> {
    const { clock } = this.parts;
    const startedMs = clock.now();
    this.flying = push;
    try {
      const answer = await this.answerTo(push, early);
      const verdict = this.judge(push, answer);
      if (verdict.kind === 'unclear') {
        const said = `the answer to lines ${push.fromSeq}–${push.lastSeq} speaks of line ${answer.appliedSeq}`;
        throw new Refusal({ status: 200, code: 'push-unclear', detail: said, retryAfterMs: null, extension: {} });
      }
      await this.acknowledge(push, { ...answer, ...verdict });
      this.pace = answer.quarantined.some(({ code }) => SEARCHED_FOR.includes(code))
        ? paceAfterTrouble(sizeOf(push))
        : paceAfterSuccess(this.pace, sizeOf(push), this.sizeMax, clock.now() - startedMs);
    } catch (error) {
      if (push.form === 'packed' && isUnpackable(error)) return await this.goOnPlain(error);
      const tooLarge = error instanceof Refusal && error.status === 413;
      // A line that broke may break under the same again.
      if (tooLarge || error instanceof LineFailure) this.pace = paceAfterTrouble(sizeOf(push));
      if (!tooLarge || push.fromSeq === push.lastSeq) throw error;
    } finally {
      this.flying = null;
    }
  }

  private async answerTo(push: ReadyPush, early: Promise<EarlyOutcome> | null): Promise<PushAnswer> {
    const { hub } = this.parts;
    if (early === null) return hub.push(push);
    const outcome = await early;
    if ('answer' in outcome) return outcome.answer;
    if (!cameTooEarly(outcome.error)) throw outcome.error;
    this.pace = paceAfterVainAhead(this.pace);
    return hub.push(push);
  }

  private judge(push: ReadyPush, answer: PushAnswer): ReturnType<typeof judgeAnswer> {
    return judgeAnswer(push, answer, (seq) => hashAt(this.parts.store.reads, push.incarnationNo, seq));
  }

  private async goOnPlain({ message }: Refusal): Promise<void> {
    const { store, clock } = this.parts;
    this.plainUntilMs = clock.now() + PLAIN_MS;
    const detail = `the hub did not take a packed push: ${message}; lines go as NDJSON for ${PLAIN_MS / 60_000} minutes`;
    await store.writer.write(logSync, { entries: [{ level: 'warning', event: 'push-plain', detail }] });
  }

  private async acknowledge(batch: ReadyPush, answer: PushAnswer): Promise<void> {
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

/** It came before the one it follows, or the hub had no room for two of a box: in its turn it is sent again. */
function cameTooEarly(error: unknown): boolean {
  return error instanceof Refusal && (error.code === 'seq-gap' || error.status === 429 || error.status === 503);
}

function logOf(batch: ReadyPush, answer: PushAnswer): SyncLogEntry[] {
  const { appliedSeq, quarantined } = answer;
  const lines = appliedSeq - batch.fromSeq + 1;
  const acknowledged = `the hub has ${lines === 1 ? 'line' : `${lines} lines up to`} ${appliedSeq}`;
  return [{ level: 'info', event: 'pushed', detail: acknowledged }, ...quarantinedTold(quarantined)];
}

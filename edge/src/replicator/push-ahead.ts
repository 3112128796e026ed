import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import type { PushAnswer } from '@branchline/replication/push.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import type { PersonKeyExchange } from './person-key-exchange.js';
import { nextBatch, restAfter, type PushForm, type ReadyPush, type Signer } from './push-batch.js';
import type { PushSize } from './push-pace.js';
import type { Stream } from './push-state.js';

const compress = promisify(brotliCompress);
/** Quality 6, beside the loop: of a packed sale 66 bytes in 3 µs; 4 leaves 69, 9 takes seven times as long for nothing. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } };

/** What came of a push that was sent before its turn. */
export type EarlyOutcome = { answer: PushAnswer } | { error: unknown };

/** `early`: it is under way already; null: it is not. */
export type NextPush = { push: ReadyPush; early: Promise<EarlyOutcome> | null };

export type AheadParts = { store: Store; hub: HubClient; keys: Pick<PersonKeyExchange, 'offerAhead'> };

type Prepared = {
  form: PushForm;
  protocol: number;
  next: Promise<NextPush>;
  isCalledOff: boolean;
  lastSeqUnderWay: number | null;
};

/**
 * The push after the one whose answer is awaited: read, packed and compressed meanwhile, and sent where the line was found to
 * carry: over a line of 200 ms a hub would wait for the next push a fifth of its time. So there are two under way at
 * most, each whole in itself. The hub takes them in order of their lines or not at all: whatever becomes of the first, the
 * second is acknowledged up to its last line (hashes are cumulative), or refused for a gap and sent again.
 */
export class PushAhead {
  private prepared: Prepared | null = null;

  constructor(private readonly parts: AheadParts) {}

  /** The last line that is under way ahead; null: none is. */
  get lastSeqUnderWay(): number | null {
    return this.prepared?.lastSeqUnderWay ?? null;
  }

  /** @param mayGo whether it is also sent */
  prepare(
    before: ReadyPush,
    stream: Stream,
    { size, form, mayGo }: { size: PushSize; form: PushForm; mayGo: boolean },
  ): void {
    const rest = restAfter(before, stream);
    if (rest === null) return;
    const { signer } = this;
    const { protocol } = signer;
    const prepared: Prepared = { form, protocol, next: nothing, isCalledOff: false, lastSeqUnderWay: null };
    prepared.next = this.make(rest, size, form, signer).then((push) =>
      this.begin(push, prepared, mayGo ? before : null),
    );
    // Told to whoever takes it; who does not, has trouble of his own.
    prepared.next.catch(() => undefined);
    this.prepared = prepared;
  }

  /** The one that was prepared, when things came as was thought; otherwise one from where the hub stands. */
  async take(stream: Stream, size: PushSize, form: PushForm): Promise<NextPush> {
    const { prepared, signer } = this;
    if (prepared !== null) {
      const next = await prepared.next;
      const { incarnationNo, fromSeq } = next.push;
      const isNext = incarnationNo === stream.incarnationNo && fromSeq === stream.appliedSeq + 1;
      if (isNext && prepared.form === form && prepared.protocol === signer.protocol) {
        this.prepared = null;
        return next;
      }
      await this.callOff();
    }
    return { push: await this.make(stream, size, form, signer), early: null };
  }

  /** Nothing more is sent ahead. @returns what was under way, once it is no longer; null: nothing was */
  async callOff(): Promise<{ push: ReadyPush; outcome: EarlyOutcome } | null> {
    const { prepared } = this;
    if (prepared === null) return null;
    prepared.isCalledOff = true;
    const next = await prepared.next.catch(() => null);
    const outcome = (await next?.early) ?? null;
    this.prepared = null;
    return next === null || outcome === null ? null : { push: next.push, outcome };
  }

  private get signer(): Signer {
    const { store, hub } = this.parts;
    return { ...store.box, protocol: hub.speech.protocol };
  }

  private async make(stream: Stream, size: PushSize, form: PushForm, signer: Signer): Promise<ReadyPush> {
    const { body, ...place } = await nextBatch(this.parts.store.reads, stream, size, signer, form);
    return { ...place, compressed: await compress(body, BROTLI) };
  }

  /** @param before whose answer is awaited; null: it is not sent before that */
  private async begin(push: ReadyPush, prepared: Prepared, before: ReadyPush | null): Promise<NextPush> {
    const { hub, keys } = this.parts;
    if (before === null || mayOvertake(push, before)) return { push, early: null };
    // Also for what goes early: keys before the lines that name their persons.
    const areKeysThere = await keys.offerAhead();
    if (!areKeysThere || prepared.isCalledOff) return { push, early: null };
    prepared.lastSeqUnderWay = push.lastSeq;
    return { push, early: outcomeOf(hub.push(push)) };
  }
}

const nothing = new Promise<NextPush>(() => undefined);

/** They go side by side, and one that is shorter would be there first, and be refused for the gap. */
function mayOvertake({ compressed }: ReadyPush, before: ReadyPush): boolean {
  return compressed.length < 0.9 * before.compressed.length;
}

function outcomeOf(answer: Promise<PushAnswer>): Promise<EarlyOutcome> {
  return answer.then(
    (given) => ({ answer: given }),
    (error: unknown) => ({ error }),
  );
}

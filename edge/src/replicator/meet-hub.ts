import type { Clock } from '@branchline/domain/clock.js';
import { decodeLine } from '@branchline/replication/line.js';
import { hashAt, readLines } from '../store/journal.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure } from './hub-failure.js';
import { narrow, probesOf, type ForkSpan } from './fork-search.js';
import { helloRequestOf, judgeStreams, learnHello, type StreamVerdict } from './learn-streams.js';
import { readStreams, type Stream } from './push-state.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

export type MeetParts = {
  store: Store;
  hub: HubClient;
  clock: Clock;
  version: string;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
};

/** A scope is joined or left at the latest this long after head office says so. */
const HELLO_EVERY_MS = 600_000;

/**
 * Hello: what the hub has of this box's histories, which scopes it is to follow, how far the clocks differ. It only reads
 * at the hub; what it teaches is stored here. Both loops may ask for it, at the start, after an outage and every ten
 * minutes; one hello serves both.
 */
export class MeetHub {
  private dueAtMs = 0;
  private meeting: Promise<void> | null = null;
  private readonly aheadLogged = new Map<number, number>();
  /** Hub's clock minus ours; null before the first hello. */
  hubOffsetMs: number | null = null;

  constructor(private readonly parts: MeetParts) {}

  /** The next round of either loop begins with a hello. */
  makeDue(): void {
    this.dueAtMs = 0;
  }

  ifDue(): Promise<void> {
    const { clock } = this.parts;
    if (this.meeting === null && clock.now() < this.dueAtMs) return Promise.resolve();
    this.meeting ??= this.meet().finally(() => (this.meeting = null));
    return this.meeting;
  }

  private async meet(): Promise<void> {
    const { store, hub, clock, version } = this.parts;
    const streams = readStreams(store.reads);
    const askedAtMs = clock.now();
    const answer = await hub.hello(helloRequestOf(store.reads, streams, version));
    this.parts.onContact();
    const nowMs = clock.now();
    this.hubOffsetMs = Math.round(answer.now - (askedAtMs + nowMs) / 2);
    const verdicts = judgeStreams(store.reads, streams, answer);
    const forks = verdicts.filter((verdict) => verdict.kind === 'fork');
    const entries = this.newlyAhead(verdicts, streams);
    const acknowledged = verdicts.filter((verdict) => verdict.kind !== 'fork');
    await store.writer.write(learnHello, { streams, acknowledged, scopes: answer.scopes, entries, nowMs });
    for (const { level, detail } of entries) if (level === 'incident') this.parts.alarm(detail);
    for (const { stream, hubSeq } of forks) await this.resolveFork(stream, hubSeq);
    this.dueAtMs = clock.now() + HELLO_EVERY_MS;
  }

  /**
   * Two histories under one name: this file was restored or copied, and sold since. The last common line is searched, and
   * what the hub lacks is journalled again in a new incarnation.
   */
  private async resolveFork(stream: Stream, hubSeq: number): Promise<void> {
    const commonSeq = await this.lastCommonSeq(stream, hubSeq);
    await this.leaveIncarnation(
      stream,
      commonSeq,
      `differs from the hub's after line ${commonSeq}: this file was restored or copied`,
    );
  }

  /**
   * The hub says that an incarnation is another box's: the file came here from that box, or this box was enrolled anew. It
   * is left where the hub has it, and what the hub lacks is journalled again in this box's name.
   *
   * @returns false when the incarnation does bear this box's name: then nothing here mends it
   */
  async leaveForeign(
    { incarnation, incarnationNo }: Pick<Stream, 'incarnation' | 'incarnationNo'>,
    commonSeq: number,
  ): Promise<boolean> {
    const { store } = this.parts;
    const [first] = readLines(store.reads, incarnationNo, 1, 1, 0);
    if (first === undefined || decodeLine(first.line).body['box'] === store.box.box) return false;
    await this.leaveIncarnation({ incarnation, incarnationNo }, commonSeq, 'is another box’s');
    return true;
  }

  private async leaveIncarnation(
    of: Pick<Stream, 'incarnation' | 'incarnationNo'>,
    commonSeq: number,
    why: string,
  ): Promise<void> {
    const { store, alarm } = this.parts;
    const lines = await store.journalAgain({ incarnationNo: of.incarnationNo, commonSeq });
    const detail = `incarnation ${of.incarnation} ${why}. ${lines} lines were journalled again in a new incarnation; nothing is lost`;
    await store.writer.write(logSync, { entries: [{ level: 'incident', event: 'fork', detail }] });
    alarm(detail);
  }

  private async lastCommonSeq({ incarnation, incarnationNo, lastSeq }: Stream, hubSeq: number): Promise<number> {
    const { store, hub, version } = this.parts;
    let span: ForkSpan = { common: 0, differs: Math.min(lastSeq, hubSeq) + 1 };
    for (let probes = probesOf(span); probes.length > 0; probes = probesOf(span)) {
      const request = helloRequestOf(store.reads, [], version);
      const answer = await hub.hello({ ...request, hashesAt: probes.map((seq) => ({ incarnation, seq })) });
      const verdicts = probes.map((seq) => {
        const theirs = answer.hashes.find((each) => each.incarnation === incarnation && each.seq === seq);
        if (theirs === undefined) throw new LineFailure(`hello: no answer for line ${seq} of ${incarnation}`);
        return { seq, equal: theirs.hash === hashAt(store.reads, incarnationNo, seq) };
      });
      span = narrow(span, verdicts);
    }
    return span.common;
  }

  /** Told once for each length, not at every hello. */
  private newlyAhead(verdicts: readonly StreamVerdict[], streams: readonly Stream[]): SyncLogEntry[] {
    return verdicts.flatMap((verdict): SyncLogEntry[] => {
      if (verdict.kind !== 'ahead' || this.aheadLogged.get(verdict.incarnationNo) === verdict.hubSeq) return [];
      this.aheadLogged.set(verdict.incarnationNo, verdict.hubSeq);
      const stream = streams.find(({ incarnationNo }) => incarnationNo === verdict.incarnationNo);
      const detail = `the hub has lines ${verdict.appliedSeq + 1} to ${verdict.hubSeq} of incarnation ${stream?.incarnation} that this file lacks`;
      return [{ level: 'incident', event: 'hub-ahead', detail }];
    });
  }
}

import type { Clock } from '@branchline/domain/clock.js';
import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import { hashAt } from '../store/journal.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure } from './hub-failure.js';
import { linesBehind, type Lacking } from './history-due.js';
import { narrow, probesOf, type ForkSpan } from './fork-search.js';
import { helloRequestOf, judgeStreams, learnHello, type HelloBy, type StreamVerdict } from './learn-streams.js';
import { leaveHistory } from './leave-history.js';
import { provenHistories } from './proven-histories.js';
import { readHistories, type Stream } from './push-state.js';
import { spokenOf } from './speech.js';
import type { SyncLogEntry } from './sync-log.js';

export type MeetParts = {
  store: Store;
  hub: HubClient;
  clock: Clock;
  by: HelloBy;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
  /** The hub has lines of this branch that are not here. */
  onBehind(): void;
};

/** A scope is joined or left at the latest this long after head office says so. */
const HELLO_EVERY_MS = 600_000;
/** While another box of the branch, or a copy of this one, writes: what it sells is part of this store's stock and shifts. */
const HELLO_BESIDE_ANOTHER_MS = 60_000;
/** What was found different is mended, and asked about again at once; a hub that contradicts itself is waited for. */
const HELLOS_IN_A_ROW_MAX = 4;

const LEFT = 'is another box’s, and the hub lacks the end of it';

/**
 * Hello: what the hub has of this branch's histories, which scopes it is to follow, how far the clocks differ. It only
 * reads at the hub; what it teaches is stored here. All loops may ask for it, at the start, after an outage and every ten
 * minutes; one hello serves them all.
 */
export class MeetHub {
  private dueAtMs = 0;
  private meeting: Promise<void> | null = null;
  /** Asked for while one was under way, which may have asked before what it is to answer. */
  private isDueAgain = false;
  private readonly aheadLogged = new Map<string, number>();
  private readonly refusedLogged = new Set<string>();
  /** Hub's clock minus ours; null before the first hello. */
  hubOffsetMs: number | null = null;

  constructor(private readonly parts: MeetParts) {}

  /** The next round of either loop begins with a hello. */
  makeDue(): void {
    this.dueAtMs = 0;
    this.isDueAgain = true;
  }

  ifDue(): Promise<void> {
    const { clock } = this.parts;
    const untilMs = this.dueAtMs - clock.now();
    // Farther than any hello is put off: the clock was set back.
    if (this.meeting === null && untilMs > 0 && untilMs <= HELLO_EVERY_MS) return Promise.resolve();
    this.meeting ??= this.meet().finally(() => (this.meeting = null));
    return this.meeting;
  }

  private async meet(): Promise<void> {
    const { clock, store, onBehind } = this.parts;
    let everyMs = HELLO_EVERY_MS;
    this.isDueAgain = false;
    for (let hellos = 1; hellos <= HELLOS_IN_A_ROW_MAX; hellos += 1) {
      const { isBeside, isMended } = await this.hello();
      if (isBeside) everyMs = HELLO_BESIDE_ANOTHER_MS;
      if (!isMended) break;
    }
    this.dueAtMs = this.isDueAgain ? 0 : clock.now() + everyMs;
    if (linesBehind(store.reads) > 0) onBehind();
  }

  /** @returns whether another box writes, and whether a history was set right, so that it is to be asked again */
  private async hello(): Promise<{ isBeside: boolean; isMended: boolean }> {
    const { store, hub, clock, by, alarm } = this.parts;
    const streams = readHistories(store.reads);
    const askedAtMs = clock.now();
    const answer = await hub.hello(helloRequestOf(store.reads, streams, by));
    this.parts.onContact();
    const nowMs = clock.now();
    this.hubOffsetMs = Math.round(answer.now - (askedAtMs + nowMs) / 2);
    const verdicts = judgeStreams(store.reads, streams, answer, store.box.box);
    const { proven, refused } = provenHistories(answer, store.box);
    const lacking = this.lackingOf(verdicts, answer, proven);
    const entries = [...this.newlyAhead(lacking), ...this.newlyRefused(refused)];
    const acknowledged = verdicts.flatMap((verdict) =>
      verdict.kind === 'acknowledged' || verdict.kind === 'ahead' ? [verdict] : [],
    );
    const { scopes, hubEpoch, epoch = 0, memory = null } = answer;
    await store.writer.write(learnHello, {
      ...{ streams, lacking, scopes, hubEpoch, hubNowMs: answer.now, epoch, memory, entries, nowMs },
      ...{ spoken: spokenOf(answer), quarantined: answer.quarantined ?? [] },
      acknowledged: acknowledged.map(({ incarnationNo, appliedSeq, durableSeq }) => {
        return { incarnationNo, appliedSeq, durableSeq };
      }),
    });
    // As after the answer to a push: a file restored to before these lines must be recognised, even after a power cut.
    await store.writer.syncWitness();
    for (const { level, detail } of entries) if (level === 'incident') alarm(detail);
    return {
      // Also under this box's own name: a copy of it writes, and has its key.
      isBeside: lacking.length > 0,
      isMended: await this.setRight(verdicts),
    };
  }

  private lackingOf(
    verdicts: readonly StreamVerdict[],
    { streams, histories = [] }: HelloAnswer,
    proven: ReturnType<typeof provenHistories>['proven'],
  ): Lacking[] {
    const named = new Set(streams.map(({ incarnation }) => incarnation));
    const ahead = verdicts.flatMap((verdict): Lacking[] => {
      if (verdict.kind !== 'ahead') return [];
      const { stream, hubSeq, hubHash } = verdict;
      const { incarnation, box, lastSeq } = stream;
      const signingKey = proven.get(incarnation)?.signingKey ?? null;
      return [{ incarnation, box, epoch: 0, lastSeq, hubSeq, hubHash, signingKey }];
    });
    const unknown = histories.flatMap((history): Lacking[] => {
      const { incarnation, box, epoch, appliedSeq, headHash, signingKey } = history;
      if (named.has(incarnation) || !proven.has(incarnation)) return [];
      return [{ incarnation, box, epoch, lastSeq: 0, hubSeq: appliedSeq, hubHash: headHash, signingKey }];
    });
    return [...ahead, ...unknown];
  }

  private async setRight(verdicts: readonly StreamVerdict[]): Promise<boolean> {
    let isMended = false;
    for (const verdict of verdicts) {
      if (verdict.kind === 'fork') await this.resolveFork(verdict.stream, verdict.hubSeq);
      else if (verdict.kind === 'left') await leaveHistory(this.parts, verdict.stream, verdict.commonSeq, LEFT);
      else continue;
      isMended = true;
    }
    return isMended;
  }

  /**
   * Two histories under one name: this file was restored or copied, and sold since. The last common line is searched, and
   * what the hub lacks is journalled again in a new incarnation; what this file lacks is fetched after the next hello.
   */
  private async resolveFork(stream: Stream, hubSeq: number): Promise<void> {
    const commonSeq = await this.lastCommonSeq(stream, hubSeq);
    const why = `differs from the hub's after line ${commonSeq}: this file was restored or copied`;
    await leaveHistory(this.parts, stream, commonSeq, why);
  }

  private async lastCommonSeq({ incarnation, incarnationNo, lastSeq }: Stream, hubSeq: number): Promise<number> {
    const { store, hub, by } = this.parts;
    let span: ForkSpan = { common: 0, differs: Math.min(lastSeq, hubSeq) + 1 };
    for (let probes = probesOf(span); probes.length > 0; probes = probesOf(span)) {
      const request = helloRequestOf(store.reads, [], by);
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

  /** Told once for each length, not at every hello. Of another box it is how two of them live. */
  private newlyAhead(lacking: readonly Lacking[]): SyncLogEntry[] {
    return lacking.flatMap(({ incarnation, box, lastSeq, hubSeq, signingKey }): SyncLogEntry[] => {
      if (this.aheadLogged.get(incarnation) === hubSeq) return [];
      this.aheadLogged.set(incarnation, hubSeq);
      const isOwn = box === this.parts.store.box.box;
      const detail = `the hub has lines ${lastSeq + 1} to ${hubSeq} of incarnation ${incarnation} that this file lacks`;
      const level = signingKey === null ? 'incident' : isOwn ? 'warning' : 'info';
      return [{ level, event: 'hub-ahead', detail }];
    });
  }

  private newlyRefused(refused: readonly string[]): SyncLogEntry[] {
    return refused.flatMap((reason): SyncLogEntry[] => {
      if (this.refusedLogged.has(reason)) return [];
      this.refusedLogged.add(reason);
      return [{ level: 'incident', event: 'history-refused', detail: `${reason}: nothing of it is taken` }];
    });
  }
}

import type { LoggerService } from '@nestjs/common';
import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { EdgeConfig } from '../config.js';
import type { HubClock } from '../customers/hub-clock.js';
import type { InFlight, LineRange } from '../selling/in-flight.js';
import { readHead } from '../store/journal.js';
import type { Store } from '../store/store.js';
import { NUDGE_SILENT_MS_MAX, type NudgeEvent } from '@branchline/replication/nudge.js';
import type { ProtocolRange } from '@branchline/replication/protocol.js';
import { pollDelayMs, pollPhaseMs, retryDelayMs, type Chance } from './backoff.js';
import type { RowsOfKinds } from './feed-takes.js';
import { linesBehind } from './history-due.js';
import { HubClient } from './hub-client.js';
import { HubLine } from './hub-line.js';
import { LinesRound } from './lines-round.js';
import { Loop, type RoundEnd } from './loop.js';
import { MeetHub } from './meet-hub.js';
import { NudgeLine } from './nudge-line.js';
import { PersonKeyExchange } from './person-key-exchange.js';
import { PullRound } from './pull-loop.js';
import { PushRound } from './push-loop.js';
import { noteSeen, type SeenByTill } from './seen-lines.js';
import { logSync, type SyncLogEntry } from './sync-log.js';
import { NoCommonProtocol, Speech } from './speech.js';
import { troubleOf, type Trouble } from './trouble.js';
import { Turns } from './turns.js';

export type ReplicatorConfig = Pick<
  EdgeConfig,
  'hubUrl' | 'pollMs' | 'pushLines' | 'requestTimeoutMs' | 'retryMsMin' | 'retryMsMax'
>;

export type ReplicatorParts = {
  store: Store;
  config: ReplicatorConfig;
  kinds: RowsOfKinds;
  version: string;
  newId: () => string;
  clock: Clock;
  chance: Chance;
  timers: SchedulerRegistry;
  logger: Pick<LoggerService, 'error'>;
  /** Absent: as the protocol has it. */
  nudgeSilentMsMax?: number;
  /** Absent: what this release speaks. */
  spoken?: ProtocolRange;
};

/**
 * Either way the store sells on, and what it sells stays here. `revoked`: head office takes nothing more from this box.
 * `no-common-protocol`: an upgrade at one end, after which all of it goes by itself.
 */
export type Standing = 'enrolled' | 'revoked' | 'no-common-protocol';

/** What people and machines are shown of the line. */
export type LineFigures = {
  line: 'up' | 'down';
  /** Last time the hub answered as asked, epoch ms; null: not since the start. */
  lastContactAtMs: number | null;
  nextAttemptAtMs: number | null;
  /** Failed in a row. */
  attempts: number;
  hubOffsetMs: number | null;
  bytesUp: number;
  bytesDown: number;
  /** Whether the hub can tell at once that something is new; otherwise the next poll finds it. */
  nudges: 'on' | 'off';
  standing: Standing;
  /** One line for people; null while the box is as it should be. */
  standingReason: string | null;
  /** `hub`: as heard last; null: not since the start. */
  protocol: { spoken: ProtocolRange; hub: ProtocolRange | null; now: number };
};

type Direction = 'push' | 'pull' | 'lines';
type Course = {
  loop: Loop;
  work: { run(): Promise<boolean> };
  attempts: number;
  trouble: string | null;
  phaseMs: number;
};

/** Of a round that pulls until nothing is new; a hub that always has more is not waited for. */
const PULLS_MAX = 100;

/** Ours says so every five seconds at most. */
const HELLO_NUDGED_MS_MIN = 1_000;

export type FeedAtRest = { hub: HubClient; pull(): Promise<void> };

/** Keeps this edge and the hub of one mind: the journal up, the feed down, each in a loop of its own, neither waiting for the other. */
export class Replicator implements InFlight, HubClock {
  private readonly stopping = new AbortController();
  private readonly speech: Speech;
  private readonly hubLine: HubLine;
  private readonly meet: MeetHub;
  private readonly pushing: PushRound;
  private readonly fetching: LinesRound;
  private readonly courses: Record<Direction, Course>;
  private readonly nudges: NudgeLine;
  private readonly pulls = new Turns();
  private readonly hub: HubClient;
  private readonly pulling: Course['work'];
  private readonly pullNow: () => Promise<boolean>;
  private verifyAsked: (by: 'nudge' | 'hello') => void = () => undefined;
  private line: 'up' | 'down' = 'down';
  private standing: Standing = 'enrolled';
  private standingReason: string | null = null;
  private lastContactAtMs: number | null = null;
  private helloNudgedAtMs = -Infinity;

  constructor(private readonly parts: ReplicatorParts) {
    const { store, config, clock, kinds, version } = parts;
    const { signal } = this.stopping;
    const alarm = (message: string): void => parts.logger.error(message);
    const onContact = (): void => this.contacted();
    this.speech = new Speech(parts.spoken);
    this.hubLine = new HubLine({ ...config, clock, signal, speech: this.speech });
    const hub = new HubClient(this.hubLine, store.box, clock);
    this.hub = hub;
    hub.onDirective = (kind) => kind === 'verify' && this.verifyAsked('hello');
    const by = { version, instance: parts.newId() };
    const onBehind = (): void => this.courses.lines.loop.nudge();
    this.meet = new MeetHub({ store, hub, clock, by, alarm, onContact, onBehind });
    const common = { store, hub, meet: this.meet, clock, alarm, onContact };
    const keys = new PersonKeyExchange(store, hub, signal);
    this.pushing = new PushRound({ ...common, keys, linesMax: config.pushLines }, signal);
    const pulling = new PullRound({ ...common, kinds, keys }, signal);
    this.pulling = { run: () => this.pulls.take(() => pulling.run()) };
    this.pullNow = () => pulling.run();
    this.fetching = new LinesRound(common, signal);
    const phaseMs = pollPhaseMs(store.box.branch, config.pollMs);
    this.courses = {
      push: { ...this.course('push', this.pushing), phaseMs: phaseMs + Math.floor(config.pollMs / 2) },
      pull: { ...this.course('pull', this.pulling), phaseMs },
      lines: { ...this.course('lines', this.fetching), phaseMs },
    };
    this.nudges = new NudgeLine({
      ...{ hub, clock, onContact, signal },
      // Away for longer than a poll it would miss what it is for.
      bounds: { retryMsMin: config.retryMsMin, retryMsMax: Math.min(config.retryMsMax, config.pollMs) },
      ...{ chance: parts.chance, timers: parts.timers, silentMsMax: parts.nudgeSilentMsMax ?? NUDGE_SILENT_MS_MAX },
      onNudge: (event) => this.nudged(event),
      log: (entry) => this.log([entry]),
      onHalted: () => this.courses.pull.loop.nudge(),
    });
  }

  /**
   * Before the first sale of a file that has a history: whether the hub knows more of it, as it does when the whole folder
   * was restored, witness and all. Then its lines are fetched, so that the store opens with the shifts and the stock that it
   * really has; what does not come in time is fetched while it sells, in a new incarnation.
   */
  async askFirst(helloMsMax: number, linesMsMax: number): Promise<void> {
    const { store } = this.parts;
    if (readHead(store.reads) === null) return;
    // Their own rounds tell what went wrong.
    const isMet = await within(helloMsMax, this.meet.ifDue());
    if (isMet && linesBehind(store.reads) > 0) await within(linesMsMax, this.fetching.run());
  }

  /** A till has seen more than the file has; whatever it asks next is written elsewhere, and what it saw is asked for. */
  async tillIsAhead(seen: SeenByTill, device: string): Promise<void> {
    const isNoted = await this.parts.store.writer.write(noteSeen, { seen, device });
    if (!isNoted) return;
    this.parts.logger.error(`till-ahead: device ${device} has seen line ${seen.seq} of ${seen.incarnation}`);
    this.meet.makeDue();
    this.courses.lines.loop.nudge();
  }

  start(): void {
    this.parts.store.writer.onCommitted(() => this.courses.push.loop.nudge());
    for (const { loop } of Object.values(this.courses)) loop.start(0);
    this.nudges.start();
  }

  /** All loops at once, whatever they wait for, and first what the hub has of this branch; one that was halted tries again. */
  force(): void {
    this.meet.makeDue();
    for (const { loop } of Object.values(this.courses)) loop.force();
    this.nudges.force();
  }

  /** Aborts what is on the line and waits until nothing runs. What was not acknowledged is sent again by the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.nudges.stop(), ...Object.values(this.courses).map(({ loop }) => loop.stop())]);
    this.hubLine.close();
  }

  /**
   * Work for which the feed stands still: nothing is pulled and nothing applied but what `work` itself asks for. A nudge or
   * a poll waits for its end.
   */
  withFeedAtRest<T>(work: (line: FeedAtRest) => Promise<T>): Promise<T> {
    return this.pulls.take(() => work({ hub: this.hub, pull: () => this.pullAll() }));
  }

  /** Aborted when this stops: what runs beside it ends with it. */
  get stopSignal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Head office wants this box to prove itself: by its stream of nudges, or with a hello. */
  onVerifyAsked(listener: (by: 'nudge' | 'hello') => void): void {
    this.verifyAsked = listener;
  }

  private nudged(event: NudgeEvent): void {
    if (event === 'pull') this.courses.pull.loop.nudge();
    else if (event === 'verify') this.verifyAsked('nudge');
    else this.askAboutHistories();
  }

  /** Another box of the branch has written. A hub that says so without a pause is not asked without one. */
  private askAboutHistories(): void {
    const nowMs = this.parts.clock.now();
    if (Math.abs(nowMs - this.helloNudgedAtMs) < HELLO_NUDGED_MS_MIN) return;
    this.helloNudgedAtMs = nowMs;
    this.meet.makeDue();
    this.courses.lines.loop.nudge();
  }

  private async pullAll(): Promise<void> {
    for (let rounds = 0; rounds < PULLS_MAX && (await this.pullNow()); rounds++)
      if (this.stopping.signal.aborted) return;
  }

  linesInFlight(): LineRange | null {
    return this.pushing.linesInFlight();
  }

  hubOffsetMs(): number | null {
    return this.meet.hubOffsetMs;
  }

  figures(): LineFigures {
    const courses = Object.values(this.courses);
    const due = courses.map(({ loop }) => loop.nextAtMs).filter((at) => at !== null);
    return {
      line: this.line,
      lastContactAtMs: this.lastContactAtMs,
      nextAttemptAtMs: due.length === 0 ? null : Math.min(...due),
      attempts: Math.max(...courses.map(({ attempts }) => attempts)),
      hubOffsetMs: this.meet.hubOffsetMs,
      bytesUp: this.hubLine.bytesUp,
      bytesDown: this.hubLine.bytesDown,
      nudges: this.nudges.isConnected ? 'on' : 'off',
      standing: this.standing,
      standingReason: this.standingReason,
      protocol: { spoken: this.speech.spoken, hub: this.speech.hub, now: this.speech.protocol },
    };
  }

  private course(direction: Direction, work: Course['work']): Omit<Course, 'phaseMs'> {
    const { timers, clock } = this.parts;
    const loop = new Loop(`replicator-${direction}`, timers, clock, () => this.round(direction));
    return { loop, work, attempts: 0, trouble: null };
  }

  private async round(direction: Direction): Promise<RoundEnd> {
    const course = this.courses[direction];
    const { clock, config, chance } = this.parts;
    try {
      const more = await course.work.run();
      if (course.trouble !== null && !(direction === 'lines' && course.trouble === 'line-down')) {
        await this.log([
          { level: 'info', event: `${direction}-again`, detail: `goes on after ${course.attempts} failed attempts` },
        ]);
      }
      Object.assign(course, { attempts: 0, trouble: null });
      return { kind: 'idle', afterMs: more ? 0 : pollDelayMs(clock.now(), course.phaseMs, config.pollMs, chance) };
    } catch (error) {
      if (this.stopping.signal.aborted) return { kind: 'halted' };
      return this.afterTrouble(course, direction, error);
    }
  }

  private async afterTrouble(course: Course, direction: Direction, error: unknown): Promise<RoundEnd> {
    const { config, chance } = this.parts;
    const trouble = troubleOf(error);
    course.attempts += 1;
    const isToldAlready = trouble.event === 'protocol' && this.standing === 'no-common-protocol';
    this.noteStanding(error, trouble);
    if (trouble.hello) this.meet.makeDue();
    const news =
      trouble.line === 'down'
        ? // That the line is down is told by those who are always on it.
          direction !== 'lines' && (this.line === 'up' || course.trouble === null)
        : course.trouble !== trouble.event && !isToldAlready;
    if (trouble.line === 'down') this.line = 'down';
    course.trouble = trouble.event;
    if (news) {
      const { level, event } = trouble;
      const detail = trouble.halt
        ? `${trouble.detail}; ${direction} rests until it is forced. The store sells on, and what it sells stays here`
        : `${direction}: ${trouble.detail}`;
      await this.log([{ level, event, detail }]);
    }
    if (trouble.halt) return { kind: 'halted' };
    return { kind: 'waiting', afterMs: retryDelayMs(course.attempts, config, chance, trouble.retryAfterMs) };
  }

  private noteStanding(error: unknown, { event, detail }: Trouble): void {
    if (event === 'box-revoked') this.standing = 'revoked';
    else if (error instanceof NoCommonProtocol) this.standing = 'no-common-protocol';
    else return;
    this.standingReason = detail;
  }

  /** The line carries again: whoever waits for the other loop's retry need not. */
  private contacted(): void {
    this.lastContactAtMs = this.parts.clock.now();
    this.standing = 'enrolled';
    this.standingReason = null;
    if (this.line === 'up') return;
    this.line = 'up';
    for (const { loop, trouble } of Object.values(this.courses)) {
      if (trouble === 'line-down' && loop.isWaiting) loop.force();
    }
    this.nudges.hurry();
  }

  /** A log that cannot be written (disk full) must not end a loop: the program's own log has it. */
  private async log(entries: readonly SyncLogEntry[]): Promise<void> {
    const { store, logger } = this.parts;
    for (const { level, event, detail } of entries) if (level === 'incident') logger.error(`${event}: ${detail}`);
    try {
      await store.writer.write(logSync, { entries });
    } catch (error) {
      logger.error(`the log of replication was not written: ${(error as Error).message}`);
    }
  }
}

/** @returns whether it was done by then, and well */
async function within(msMax: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), Math.max(msMax, 0))));
  const done = work.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

import { randomInt } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@branchline/domain/clock.js';
import { chanceFrom } from '../bench/edge/chance.js';
import { HubClient } from '../chain/hub-client.js';
import { EDGE_CLI } from '../chain/programs.js';
import { lastLine, runProgram, seconds } from '../mutants/run-program.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { inScratchFolder, plainEnvironment } from './scratch.js';
import { StartedChain } from './started-chain.js';
import { lookAtWholeChain } from './whole-chain.js';

/** One SIGKILL of the start process alone, and when. */
export interface Kill {
  moment: Moment;
  /** After what the moment begins with. */
  afterMs: number;
  /** The start that is killed forgets all data first. */
  fresh: boolean;
  /** The next start comes when everything has ended, and every edge's file was examined; otherwise at once. */
  waits: boolean;
}

const MOMENTS = ['setting up', 'trading', 'starting', 'stopping', 'ready'] as const;
type Moment = (typeof MOMENTS)[number];
/** How long after the start, READY or Ctrl-C. */
const AFTER_MS_MAX: Record<Moment, number> = {
  'setting up': 12_000,
  starting: 6_000,
  ready: 0,
  trading: 5_000,
  stopping: 2_500,
};

const KILLS = 20;
/** So that there is something to lose, also at night. */
const PACE = ['--pace', '10'];
/** As many digits as a flag takes. */
const SEED_MAX = 1_000_000_000;
const EDGES = 3;
const READY_MS_MAX = 180_000;
const STOP_MS_MAX = 30_000;
/** An edge or the hub gives itself nine seconds to stop, PostgreSQL gets ten. */
const LEFT_MS_MAX = 25_000;
const DOCTOR_MS_MAX = 60_000;

/** `npm start` is killed outright, again and again; whatever the moment, the next start is whole. */
export function startSurvivesKills({
  root,
  signal,
  note,
  seed = randomInt(SEED_MAX),
}: AcceptContext): Promise<Outcome> {
  return inScratchFolder(async (folder) => {
    note(`seed ${seed}`);
    const startMs = performance.now();
    const kills = planKills(KILLS, seed);
    const { complaints, told, starts } = await killStarts({
      root,
      dataDir: join(folder, 'data'),
      edges: EDGES,
      kills,
      signal,
      note,
    });
    const took = seconds(performance.now() - startMs);
    const figure = `${kills.length} kills, ${starts} starts, ${told} sales told and kept, seed ${seed}, ${took}`;
    return complaints.length === 0 ? pass(figure) : fail(`${figure}; ${complaints.join('; ')}`);
  });
}

/** Every moment in turn, at times that the seed draws. The same seed gives the same plan. */
export function planKills(count: number, seed: number): Kill[] {
  const chance = chanceFrom(seed);
  return Array.from({ length: count }, (_, index) => {
    const moment = MOMENTS[index % MOMENTS.length] ?? 'trading';
    const afterMs = Math.floor(chance() * AFTER_MS_MAX[moment]);
    const waits = chance() < 0.5;
    return { moment, afterMs, fresh: moment === 'setting up', waits };
  });
}

export interface KillRun {
  root: string;
  dataDir: string;
  edges: number;
  kills: readonly Kill[];
  signal: AbortSignal;
  note: (line: string) => void;
}

/** @returns what was wrong; nothing of it runs any more */
export async function killStarts(run: KillRun): Promise<{ complaints: string[]; told: number; starts: number }> {
  const starts = new Starts(run);
  try {
    for (const [index, kill] of run.kills.entries()) {
      run.note(`kill ${index + 1}: ${kill.moment} + ${kill.afterMs} ms${kill.waits ? ', then a wait' : ''}`);
      await starts.killAt(kill);
      await starts.lookAtNext();
    }
    await starts.stopInOrder();
    return { complaints: starts.complaints, told: starts.told, starts: starts.count };
  } finally {
    await starts.killAll();
  }
}

class Starts {
  readonly complaints: string[] = [];
  told = 0;
  count = 0;
  /** The one that trades now. */
  private chain: StartedChain | null = null;
  private readonly killed: StartedChain[] = [];

  constructor(private readonly run: KillRun) {}

  async killAt(kill: Kill): Promise<void> {
    const { signal } = this.run;
    const chain = await this.chainFor(kill);
    if (kill.moment === 'stopping') chain.interruptOnly();
    await pause(kill.afterMs, undefined, { signal });
    await chain.killAlone();
    this.chain = null;
    this.killed.push(chain);
    if (!kill.waits) return;
    const left = await chain.untilNothingLeft(LEFT_MS_MAX);
    if (left.length > 0) this.complain(`still running ${LEFT_MS_MAX / 1000} s after the kill: ${left.join(', ')}`);
    else await this.examineFiles();
  }

  /** The next start has to be whole; it trades on. */
  async lookAtNext(): Promise<void> {
    const { dataDir, signal } = this.run;
    const chain = this.start(false);
    await this.untilReady(chain);
    const hub = new HubClient(chain.fleet().hub.url, chain.credentials(), systemClock, signal);
    try {
      const { told, complaints } = await lookAtWholeChain(chain, dataDir, hub, signal);
      this.told = told;
      for (const complaint of complaints) this.complain(complaint);
    } finally {
      hub.close();
    }
  }

  async stopInOrder(): Promise<void> {
    for (const complaint of (await this.chain?.interrupt(STOP_MS_MAX)) ?? []) this.complain(complaint);
    this.chain = null;
    for (const chain of this.killed) {
      const left = await chain.untilNothingLeft(0);
      if (left.length > 0) this.complain(`left of a killed start: ${left.join(', ')}`);
    }
    await this.examineFiles();
  }

  async killAll(): Promise<void> {
    for (const chain of [this.chain, ...this.killed]) await chain?.kill();
  }

  private async chainFor({ moment, fresh }: Kill): Promise<StartedChain> {
    const trades = this.chain !== null && (moment === 'trading' || moment === 'stopping');
    if (this.chain && trades) return this.chain;
    for (const complaint of (await this.chain?.interrupt(STOP_MS_MAX)) ?? []) this.complain(complaint);
    const chain = this.start(fresh);
    if (moment !== 'setting up' && moment !== 'starting') await this.untilReady(chain);
    return chain;
  }

  private start(fresh: boolean): StartedChain {
    const { root, dataDir, edges } = this.run;
    this.count += 1;
    this.chain = new StartedChain(root, dataDir, edges, [...PACE, ...(fresh ? ['--fresh'] : [])]);
    return this.chain;
  }

  /** @throws when it is not: nothing more can be looked at */
  private async untilReady(chain: StartedChain): Promise<void> {
    const notReady = await chain.untilReady(READY_MS_MAX, this.run.signal);
    if (notReady !== null) throw new Error(`start ${this.count}: ${notReady}`);
  }

  /** Is each edge's file whole, does its chain verify. A store that was never opened has none. */
  private async examineFiles(): Promise<void> {
    const { root, dataDir, signal } = this.run;
    const edges = join(dataDir, 'edges');
    for (const branch of existsSync(edges) ? readdirSync(edges) : []) {
      const data = join(edges, branch);
      if (!existsSync(join(data, 'edge.db'))) continue;
      const options = { cwd: root, env: plainEnvironment(), boundMs: DOCTOR_MS_MAX, signal };
      const { code, stdout, stderr } = await runProgram(
        process.execPath,
        [EDGE_CLI, 'doctor', '--data', data],
        options,
      );
      const said = stdout.split('\n').filter((line) => line.startsWith('FAIL'));
      if (code !== 0) this.complain(`doctor of ${branch}: ${said.join(', ') || lastLine(stderr)}`);
    }
  }

  private complain(complaint: string): void {
    this.complaints.push(`start ${this.count}: ${complaint}`);
  }
}

import { DISASTERS, type Disaster } from './disasters.js';
import { Field, type FieldParts } from './field.js';

export interface ChaosRequest extends FieldParts {
  /** Names of disasters; none: all, in turn. */
  only: readonly string[];
  /** Of each; absent: until the time is up. */
  times: number | undefined;
  /** Null: no bound. */
  untilMs: number | null;
}

export interface ChaosOutcome {
  faults: number;
  kills: number;
  /** Sales that a till was told are done. */
  acked: number;
  lost: number;
  doubled: number;
  /** By disaster: how often it struck, and what was wrong afterwards. */
  byName: Map<string, { struck: number; complaints: string[] }>;
}

/** Stops at the first disaster that leaves something wrong: what is broken says nothing about what comes after. */
export async function runChaos(request: ChaosRequest): Promise<ChaosOutcome> {
  const disasters = DISASTERS.filter(({ name }) => request.only.length === 0 || request.only.includes(name));
  const outcome: ChaosOutcome = { faults: 0, kills: 0, acked: 0, lost: 0, doubled: 0, byName: new Map() };
  for (const { name } of disasters) outcome.byName.set(name, { struck: 0, complaints: [] });
  const field = await Field.open(request);
  try {
    const isOver = (): boolean => request.untilMs !== null && request.till.clock.now() >= request.untilMs;
    for (let round = 1; request.times === undefined || round <= request.times; round += 1) {
      for (const disaster of disasters) {
        if (isOver()) return outcome;
        await strike(field, disaster, round, outcome);
        if (outcome.byName.get(disaster.name)?.complaints.length) return outcome;
      }
    }
    return outcome;
  } finally {
    await field.close();
  }
}

async function strike(field: Field, { name, strike }: Disaster, round: number, outcome: ChaosOutcome): Promise<void> {
  const record = outcome.byName.get(name);
  if (record === undefined) throw new Error(`no record of ${name}`);
  const startedMs = performance.now();
  let complaints: string[];
  try {
    await strike(field);
    complaints = await field.examine();
  } catch (error) {
    field.throwIfStopped();
    complaints = [(error as Error).message];
  }
  record.struck += 1;
  record.complaints.push(...complaints.map((complaint) => `${name} ${round}: ${complaint}`));
  outcome.faults += 1;
  outcome.kills = field.kills;
  outcome.acked = field.stores.reduce((sum, { told }) => sum + told.length, 0);
  outcome.lost += complaints.filter((complaint) => / A: .* lacks /.test(` ${complaint}`)).length;
  outcome.doubled += complaints.filter((complaint) => / B: /.test(` ${complaint}`)).length;
  const took = ((performance.now() - startedMs) / 1000).toFixed(1);
  field.tell(
    `${name} ${round}: ${complaints.length === 0 ? 'whole' : 'BROKEN'}, ${outcome.acked} sales told, ${took} s`,
  );
  for (const complaint of complaints) field.tell(`  ${complaint}`);
}

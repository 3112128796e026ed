import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { recordAudit } from '../audit/record-audit.js';
import { archivedLines as linesAt } from '../sync/archive.js';
import type { FactContext } from '../sync/fact-context.js';
import { WrongSeq, readLine, type ReadyLine } from '../sync/read-line.js';
import { holdBranch } from '../sync/streams.js';
import { archivedPage, type ArchivedLine } from './archived-lines.js';
import { ChainWalk } from './chain-walk.js';
import { Corrections, type Corrected } from './corrections.js';
import { Differences } from './differences.js';
import { LineKinds } from './line-kinds.js';
import { CUSTOMERS_START, type CustomersPlace } from './customer-rows.js';
import { rebuildCustomers } from './rebuild-customers.js';
import { rebuildFacts, removeOrphans } from './rebuild-facts.js';
import { rebuildSaid } from './rebuild-said.js';
import { ToldOfSales } from './told-of-sales.js';
import { rebuildRollups } from './rebuild-rollups.js';
import { removeExtra, type LinePlace } from './remove-extra.js';
import { streamsOfBranch } from './streams-of-branch.js';

export type RebuildParts = {
  database: Database;
  /** Under which keys of persons are wrapped. */
  personsMaster: Buffer;
  nowMs: number;
  newId: NewId;
  actor: string;
};
export type Rebuilt = { branch: string; at: string; lines: number; count: number; corrected: Corrected[] };

const STATEMENT_MS_MAX = 300_000;

/**
 * Makes rows and sums of a branch anew from its archived lines: what is missing is written, what says something else than
 * its line is replaced, what no line leads to goes; the rest is not touched, so that an end in the middle costs nothing and
 * another run goes on with what is left. A page of lines is one transaction, under the lock that a push takes. The sums are
 * made in the last one of them, which also takes what was pushed meanwhile: reports read sums alone, and see them before or
 * after. Customers come last, since they are what all edits come to.
 *
 * Each correction is an incident, and the whole is in the audit.
 * @throws Problem `archive-damaged`: what does not hold itself is no ground for anything
 */
export async function rebuildBranch(parts: RebuildParts, branch: BranchRow): Promise<Rebuilt> {
  const work = new BranchRebuild(parts, branch);
  const { tenantId } = branch;
  const { database } = parts;
  const statementMsMax = STATEMENT_MS_MAX;
  const known = await database.transaction(tenantId, (tx) => streamsOfBranch(tx, branch.id));
  let state: State = { walks: new Map(), corrections: new Corrections() };
  for (const { incarnation } of known) {
    for (let more = true; more;) {
      const from = state;
      const page = await database.transaction(tenantId, (tx) => work.nextPage(tx, incarnation, from), {
        statementMsMax,
      });
      ({ state, more } = page);
    }
  }
  if (known.length > 0) {
    const from = state;
    state = await database.transaction(tenantId, (tx) => work.finish(tx, from), { statementMsMax });
    state = await rebuildAllCustomers(database, work, tenantId, state);
    const { corrections } = state;
    await database.transaction(tenantId, (tx) => work.note(tx, corrections));
  }
  const lines = [...state.walks.values()].reduce((sum, walk) => sum + walk.lines, 0);
  const { count, named } = state.corrections;
  return { branch: branch.code, at: new Date(parts.nowMs).toISOString(), lines, count, corrected: named };
}

/** A page of them is one transaction. */
async function rebuildAllCustomers(
  database: Database,
  work: BranchRebuild,
  tenantId: string,
  from: State,
): Promise<State> {
  let [state, place]: [State, CustomersPlace | null] = [from, CUSTOMERS_START];
  while (place !== null) {
    const [at, before]: [CustomersPlace, State] = [place, state];
    const page: CustomersPage = await database.transaction(tenantId, (tx) => work.nextCustomers(tx, at, before), {
      statementMsMax: STATEMENT_MS_MAX,
    });
    ({ state, next: place } = page);
  }
  return state;
}

/** What committed transactions have come to: one that is run again begins from the same. */
type State = { walks: ReadonlyMap<string, ChainWalk>; corrections: Corrections };
type CustomersPage = { state: State; next: CustomersPlace | null };

class BranchRebuild {
  private readonly lineKinds = new LineKinds();
  private readonly told = new ToldOfSales();
  private readonly differences = new Differences();

  constructor(
    private readonly parts: RebuildParts,
    private readonly branch: BranchRow,
  ) {}

  async nextPage(tx: Tx, incarnation: string, from: State): Promise<{ state: State; more: boolean }> {
    await holdBranch(tx, this.branch.id);
    const state = await this.takePage(tx, incarnation, from);
    return { state: state ?? from, more: state !== null };
  }

  /** What was pushed since, what no line leads to, and the sums. */
  async finish(tx: Tx, from: State): Promise<State> {
    await holdBranch(tx, this.branch.id);
    let state = from;
    for (const { incarnation } of await streamsOfBranch(tx, this.branch.id)) {
      for (let next: State | null = state; next !== null; next = await this.takePage(tx, incarnation, state))
        state = next;
    }
    const corrections = state.corrections.copy();
    const again = await removeExtra(tx, this.branch.id, this.lineKinds, corrections);
    await this.projectAgain(tx, again);
    await removeOrphans(tx, this.branch.id, corrections);
    await rebuildSaid(tx, { ...this.branch, nowMs: this.parts.nowMs }, this.told, corrections);
    await rebuildRollups(tx, this.branch.id, corrections);
    return { ...state, corrections };
  }

  async nextCustomers(tx: Tx, place: CustomersPlace, from: State): Promise<CustomersPage> {
    const corrections = from.corrections.copy();
    const next = await rebuildCustomers(tx, this.branch, place, this.parts, corrections);
    return { state: { ...from, corrections }, next };
  }

  /** @returns null: there was none */
  private async takePage(tx: Tx, incarnation: string, from: State): Promise<State | null> {
    const walk = from.walks.get(incarnation)?.copy() ?? new ChainWalk(incarnation, this.differences);
    const place = { branchId: this.branch.id, incarnation, afterSeq: walk.seq };
    const page = await archivedPage(tx, place, this.differences);
    if (!page) return null;
    const ready = page.lines.flatMap((line) => this.read(incarnation, line, walk));
    const [wrong] = this.differences.told();
    if (wrong) throw problem('archive-damaged', wrong.detail);
    const corrections = from.corrections.copy();
    await rebuildFacts(tx, this.contextOf(incarnation), ready, corrections, this.told);
    return { walks: new Map([...from.walks, [incarnation, walk]]), corrections };
  }

  private read(incarnation: string, line: ArchivedLine, walk: ChainWalk): ReadyLine[] {
    walk.take(line);
    if (line.waits !== null) return [];
    try {
      const reading = readLine(line.bytes, line.seq);
      this.lineKinds.note(incarnation, line.seq, reading.label.kind);
      return 'ready' in reading ? [reading.ready] : [];
    } catch (error) {
      if (!(error instanceof WrongSeq)) throw error;
      this.differences.add('archived-line', `line ${line.seq} of ${incarnation}: ${error.message}`);
      return [];
    }
  }

  private async projectAgain(tx: Tx, places: readonly LinePlace[]): Promise<void> {
    for (const { incarnation, seq } of places) {
      const facts = this.contextOf(incarnation);
      const readings = (await linesAt(tx, facts, [seq])).map(({ bytes }) => readLine(bytes, seq));
      const ready = readings.flatMap((reading) => ('ready' in reading ? [reading.ready] : []));
      await rebuildFacts(tx, facts, ready, new Corrections(), this.told);
    }
  }

  async note(tx: Tx, corrections: Corrections): Promise<void> {
    const { branch, parts } = this;
    const { id: branchId, code } = branch;
    for (const [what, count] of corrections.countOf) {
      const first = corrections.named.find((each) => each.what === what)?.detail ?? '';
      const detail = `${count} made anew from the archive, the first: ${first}`.slice(0, 300);
      await raiseIncident(tx, { branchId, code: 'rows-repaired', key: what, detail }, parts);
    }
    const detail = { corrected: Object.fromEntries(corrections.countOf) };
    await recordAudit(
      tx,
      { actor: parts.actor, action: 'branch.repair', subject: `branch:${code}`, branchId, detail },
      parts,
    );
  }

  private contextOf(incarnation: string): FactContext {
    const { tenantId, id: branchId, timeZone, currency } = this.branch;
    return { tenantId, branchId, incarnation, timeZone, currency, nowMs: this.parts.nowMs, isRebuild: true };
  }
}

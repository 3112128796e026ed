import type { BranchToday, TrialBranch, Verification } from './answers.js';
import { clockTime, count, counted, money, shortHash, shortTime, span } from './format.js';

/** What the page says about a branch: pure, so that every word of it can be tested without a browser. */

/** `good`, `busy`: nothing to do; `bad`: something is missing; `idle`: nothing known yet. */
export type Tone = 'good' | 'busy' | 'bad' | 'idle';
export type Said = { tone: Tone; title: string; detail: string };

/** Fewer lines than this are just on their way: a store that sells always has one or two. */
const ON_THEIR_WAY_MAX = 5;

export function lineWords(branch: BranchToday, trial: TrialBranch | undefined, asOf: string): Said {
  const heard = heardWords(branch, asOf);
  if (trial?.box === 'down') return { tone: 'bad', title: 'box down', detail: heard };
  if (trial?.line === 'down') return { tone: 'bad', title: 'line cut', detail: heard };
  if (trial === undefined && branch.line === null) return { tone: 'idle', title: 'not shown to you', detail: '' };
  if (branch.line === 'never') return { tone: 'idle', title: 'no box yet', detail: heard };
  if (trial === undefined && branch.line === 'silent') return { tone: 'bad', title: 'line down', detail: heard };
  return { tone: 'good', title: 'line up', detail: heard };
}

function heardWords({ lastContactAt, quarantined }: BranchToday, asOf: string): string {
  if (quarantined === null) return '';
  if (lastContactAt === null) return 'never heard';
  return `heard ${span(Date.parse(asOf) - Date.parse(lastContactAt))} ago`;
}

/** Whether head office can be missing something it was never told of; who may not see the line is told nothing of it. */
export function isAway(branch: BranchToday, trial: TrialBranch | undefined): boolean {
  return trial === undefined
    ? branch.line === 'silent' || branch.line === 'never'
    : trial.line === 'down' || trial.box === 'down';
}

/** Up to where head office knows the branch's day, and what it lacks. */
export function knownWords(branch: BranchToday, trial: TrialBranch | undefined): Said {
  const { knownTo, complete, final, quarantined } = branch;
  if (knownTo === null) return { tone: 'idle', title: 'nothing known', detail: 'no box has called yet' };
  const place = `#${count(knownTo.seq)}`;
  const aside =
    quarantined === null || quarantined === 0 ? [] : [`${counted(quarantined, 'line')} set aside in quarantine`];
  if (complete && final) return { tone: 'good', title: `complete and final, ${place}`, detail: 'the day is closed' };
  if (complete) return { tone: 'bad', title: `complete up to ${place}, not final`, detail: aside.join(' · ') };
  const waiting = waitingLines(branch, trial);
  const away = awayWords(branch, trial);
  if (away !== null) {
    const queued = waiting > 0 ? [`${counted(waiting, 'line')} ${waiting === 1 ? 'waits' : 'wait'} in the store`] : [];
    return { tone: 'bad', title: `incomplete after ${place}`, detail: [away, ...queued, ...aside].join(' · ') };
  }
  if (aside.length > 0) return { tone: 'bad', title: `incomplete up to ${place}`, detail: aside.join(' · ') };
  if (waiting > ON_THEIR_WAY_MAX)
    return { tone: 'busy', title: `incomplete after ${place}`, detail: `${counted(waiting, 'line')} on their way` };
  // Whether anything is missing or set aside before it is not known to who may not see the fleet.
  if (quarantined === null) return { tone: 'idle', title: `known up to ${place}`, detail: 'the day is open' };
  return { tone: 'good', title: `complete up to ${place}`, detail: 'the day is open' };
}

function waitingLines({ missing }: BranchToday, trial: TrialBranch | undefined): number {
  return trial?.queue ?? missing ?? 0;
}

function awayWords(branch: BranchToday, trial: TrialBranch | undefined): string | null {
  if (!isAway(branch, trial)) return null;
  const since = branch.lastContactAt === null ? '' : `, last heard ${clockTime(branch.lastContactAt)}`;
  if (trial?.box === 'down') return `its box is down${since}`;
  return `the line is down${since}`;
}

/** An amount, or that it is one which nobody can tell exactly. */
export function amountWords(minor: number | null, currency: string): string {
  return minor === null ? `${currency} unknown: beyond all exact numbers` : money(minor, currency);
}

export type Meeting = { tone: Tone; text: string };

/** The tills' own figure beside head office's. They are read a moment apart, so one sale may be in one and not in the other. */
export function meetingOf(branch: BranchToday, trial: TrialBranch): Meeting {
  const { currency, baskets, totalMinor } = branch;
  if (trial.businessDate !== branch.businessDate || trial.currency !== currency)
    return { tone: 'idle', text: 'a new day begins' };
  if (totalMinor === null) return { tone: 'bad', text: 'cannot be compared with the store’s own' };
  const sales = trial.tillBaskets - baskets;
  const minor = trial.tillTotalMinor - totalMinor;
  if (sales === 0 && minor === 0) return { tone: 'good', text: '= the store’s own' };
  if (sales <= 0) {
    const isSettled = headsMeet(branch, trial) && trial.queue === 0;
    if (!isSettled) return { tone: 'busy', text: 'just arriving' };
    // Rung up by somebody else, as by a visitor with curl: one history at both ends, of which the trial's tills know a part.
    if (sales < 0) return { tone: 'idle', text: `${counted(-sales, 'sale')} of other tills` };
    return { tone: 'bad', text: `differs by ${money(minor, currency)}` };
  }
  const lacks = `${counted(sales, 'sale')}, ${money(minor, currency)} not here yet`;
  return { tone: isAway(branch, trial) || sales > ON_THEIR_WAY_MAX ? 'bad' : 'busy', text: lacks };
}

/** Both ends hold the same history: the same number of lines, the same hash over all of them. */
export function headsMeet(branch: BranchToday, trial: TrialBranch): boolean {
  return trial.headHash !== null && trial.headHash === branch.headHash && trial.headSeq === branch.knownTo?.seq;
}

/** `proved`: chain recomputed and signed by the box, with every push; `verified`: the bytes as they are stored, when asked for. */
export function proofWords({ provedTo, lastVerification, quarantined }: BranchToday): Said {
  if (quarantined === null) return { tone: 'idle', title: 'not shown to you', detail: '' };
  const proved = provedTo === null ? 'nothing proved yet' : `proved up to #${count(provedTo.seq)}`;
  if (lastVerification === null) return { tone: provedTo ? 'good' : 'idle', title: proved, detail: '' };
  const { outcome, at } = lastVerification;
  return {
    tone: outcome === 'equal' ? 'good' : 'bad',
    title: proved,
    detail: `verified ${shortTime(at)}, ${outcome === 'equal' ? 'equal' : 'differs'}`,
  };
}

export type Totals = { tone: Tone; text: string };

/** @returns whether the consolidated figure lacks anything, and whose */
export function totalWords(known: readonly { name: string; said: Said }[], more: number): Totals {
  const lacking = known.filter(({ said }) => said.tone !== 'good');
  if (known.length === 0) return { tone: 'idle', text: 'no stores yet' };
  if (lacking.length > 0) {
    const names = lacking.slice(0, 3).map(({ name }) => name);
    const others = lacking.length > 3 ? ` and ${counted(lacking.length - 3, 'other')}` : '';
    const tone = lacking.every(({ said }) => said.tone === 'busy') ? 'busy' : 'bad';
    return { tone, text: `complete: no · waiting for ${names.join(', ')}${others}` };
  }
  if (more > 0) return { tone: 'idle', text: `complete for the ${counted(known.length, 'store')} shown` };
  return { tone: 'good', text: `complete: yes · every line of ${counted(known.length, 'store')} is here` };
}

/** A verification in one line. */
export function verificationWords({ at, outcome, streams, days, differences }: Verification): Said {
  const lines = streams.reduce((sum, stream) => sum + stream.lines, 0);
  const head = streams.at(-1);
  const facts = [
    counted(lines, 'line'),
    counted(days.length, 'day'),
    ...(head ? [`head #${count(head.headSeq)} ${shortHash(head.headHash)}`] : []),
    ...(head ? [head.signedByBox ? 'signed by the box' : 'not signed by the box'] : []),
  ].join(', ');
  if (outcome === 'equal')
    return {
      tone: 'good',
      title: `verified ${clockTime(at)}: equal`,
      detail: `${facts}. Recomputed from the archived lines: nothing differs.`,
    };
  const told = differences.slice(0, 3).map(({ what, detail }) => `${what}: ${detail}`);
  const others = differences.length > 3 ? ` And ${count(differences.length - 3)} more.` : '';
  return { tone: 'bad', title: `verified ${clockTime(at)}: differs`, detail: `${facts}. ${told.join(' ')}${others}` };
}

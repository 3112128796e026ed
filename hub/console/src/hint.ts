import type { BranchToday, TrialBranch } from './answers.js';
import { count, counted, shortHash } from './format.js';
import { amountWords, headsMeet, isAway, meetingOf, type Tone } from './words.js';

export type Hint = { tone: Tone; text: string };
type Pair = { branch: BranchToday; trial: TrialBranch };

/** How long the meeting of a healed store is told. */
const TOLD_MS = 30_000;

/**
 * The one line that leads through a trial: what to do, and what it does. It remembers which stores were away, so that their
 * coming back is told as what it is.
 */
export class Guide {
  private readonly healing = new Set<string>();
  private met: { text: string; atMs: number } | null = null;

  hint(pairs: readonly Pair[], nowMs: number): Hint {
    for (const pair of pairs) this.follow(pair, nowMs);
    const away = pairs.find(({ branch, trial }) => isAway(branch, trial));
    if (away) return { tone: 'bad', text: awayHint(away) };
    const healing = pairs.find(({ branch }) => this.healing.has(branch.branch));
    if (healing) return { tone: 'busy', text: healingHint(healing) };
    if (this.met && nowMs - this.met.atMs < TOLD_MS) return { tone: 'good', text: this.met.text };
    const text =
      'Try it: cut a store’s line, or kill its box, and watch. Its tills lose nothing; head office knows what it lacks.';
    return { tone: 'idle', text };
  }

  private follow({ branch, trial }: Pair, nowMs: number): void {
    if (isAway(branch, trial)) {
      this.healing.add(branch.branch);
      return;
    }
    const isWhole = meetingOf(branch, trial).tone === 'good' && headsMeet(branch, trial);
    if (!this.healing.has(branch.branch) || !isWhole) return;
    this.healing.delete(branch.branch);
    const { name, baskets, totalMinor, currency, headHash } = branch;
    const figures = `${counted(baskets, 'sale')}, ${amountWords(totalMinor, currency)}`;
    const text = `${name} is whole again: ${figures} on both sides, one head hash ${shortHash(headHash ?? '')} at #${count(trial.headSeq ?? 0)}. Nothing lost, nothing doubled.`;
    this.met = { text, atMs: nowMs };
  }
}

function awayHint({ branch, trial }: Pair): string {
  const { name } = branch;
  if (trial.box === 'down')
    return `${name}’s box is down. It starts again by itself, with every sale a till was told is done.`;
  const sold = trial.tillBaskets - branch.baskets;
  if (sold <= 0)
    return `${name} is cut off and sells on; head office has yet to miss something. Restore the line when you like.`;
  const lacks = counted(sold, 'sale');
  return `${name} is cut off and sells on: head office lacks ${lacks}, and says so. Restore the line when you like.`;
}

function healingHint({ branch, trial }: Pair): string {
  const sales = trial.tillBaskets - branch.baskets;
  const left = sales > 0 ? `${counted(sales, 'sale')} to come` : 'the last lines are arriving';
  return `${branch.name} is back and catches up: ${left}.`;
}

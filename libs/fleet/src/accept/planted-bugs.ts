import type { Mutant } from '../mutants/mutant.js';
import { RedSuite, tryMutants, type Verdict } from '../mutants/try-mutants.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';

/** Each bug has to be caught. */
export async function plantedBugsAreCaught(
  mutants: readonly Mutant[],
  { root, signal, note }: AcceptContext,
): Promise<Outcome> {
  const verdicts: Verdict[] = [];
  try {
    await tryMutants(mutants, { root, signal, note, tell: (verdict) => verdicts.push(verdict) });
  } catch (error) {
    if (!(error instanceof RedSuite)) throw error;
    return fail(error.message);
  }
  const uncaught = verdicts.filter(({ outcome }) => outcome !== 'caught');
  const figure = `${verdicts.length - uncaught.length} of ${mutants.length} caught`;
  const reasons = uncaught.map(
    (verdict) => `${verdict.name} ${verdict.outcome === 'invalid' ? verdict.reason : 'MISSED'}`,
  );
  return uncaught.length === 0 ? pass(figure) : fail(`${figure}; ${reasons.join('; ')}`);
}

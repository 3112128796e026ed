import type { BenchContext } from './bench.js';

/** One figure of one subject. */
export type Measure = (round: number) => Promise<number>;

/**
 * Measures each subject once a round, one after the other, so that what else the machine does meets the product and its
 * yardsticks alike. Each round begins with another subject: none is always the one after the same other.
 * @returns the figures of each subject, in the order of the rounds
 */
export async function inRounds<Name extends string>(
  { rounds, signal, note }: Pick<BenchContext, 'rounds' | 'signal' | 'note'>,
  subjects: Readonly<Record<Name, Measure>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(subjects) as Name[];
  const figures = Object.fromEntries(names.map((name): [Name, number[]] => [name, []])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length];
      if (name === undefined) continue;
      signal.throwIfAborted();
      const figure = await subjects[name](round);
      figures[name].push(figure);
      note(`round ${round + 1} of ${rounds}: ${name} ${Number(figure.toPrecision(4))}`);
    }
  }
  return figures;
}

import { sqlStateOf, together, type Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import { projectLines, type ProjectedLines } from './facts.js';
import type { ReadyLine, SetAside, SetAsideCode } from './read-line.js';
import { storableText } from './storable.js';

/** One bad line in 5,000 is found with about 25; past these the rest of a bad range is set aside untried. */
export const SAVEPOINTS_MAX = 64;

/** Data exception, constraint violation, program limit exceeded: the line's fault. Anything else is the hub's, and the push fails. */
const FAULTS_OF_DATA = new Set(['22', '23', '54']);

export type Projected = ProjectedLines & { setAside: SetAside[] };

const nothing = (): Projected => ({ mismatches: [], disputes: [], setAside: [] });

/**
 * Projects all lines at once; when PostgreSQL refuses that, halves them until only those are left out that it refuses
 * alone. In one transaction: what can be projected is.
 */
export async function projectBisecting(tx: Tx, context: FactContext, lines: readonly ReadyLine[]): Promise<Projected> {
  const budget = { savepoints: SAVEPOINTS_MAX };
  const own = lines.filter((line) => !isForeign(line, context));
  const foreign = lines.filter((line) => isForeign(line, context));
  const projected = own.length === 0 ? nothing() : await attempt(tx, context, own, budget);
  const detail = `the branch sells in ${context.currency}`;
  return {
    ...projected,
    setAside: [...projected.setAside, ...foreign.map((line) => setAside(line, 'foreign-currency', detail))],
  };
}

/** Amounts of two currencies are never added: one such sale would end every report that its branch is in. */
function isForeign(line: ReadyLine, { currency }: FactContext): boolean {
  return line.kind === 'sale' && line.body.currency !== currency;
}

async function attempt(
  tx: Tx,
  context: FactContext,
  lines: readonly ReadyLine[],
  budget: { savepoints: number },
): Promise<Projected> {
  if (budget.savepoints === 0) {
    return {
      ...nothing(),
      setAside: lines.map((line) => setAside(line, 'not-tried', 'too many lines of one push could not be projected')),
    };
  }
  budget.savepoints -= 1;
  try {
    // Not released when all went well: nothing goes back behind it any more, and the next hides it.
    const [, projected] = await together(tx.query('SAVEPOINT projection'), projectLines(tx, context, lines));
    return { ...projected, setAside: [] };
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    await together(tx.query('ROLLBACK TO SAVEPOINT projection'), tx.query('RELEASE SAVEPOINT projection'));
    const [only] = lines;
    if (only && lines.length === 1)
      return { ...nothing(), setAside: [setAside(only, 'projection-failed', error.message)] };
  }
  const middle = Math.ceil(lines.length / 2);
  const first = await attempt(tx, context, lines.slice(0, middle), budget);
  const second = await attempt(tx, context, lines.slice(middle), budget);
  return {
    mismatches: [...first.mismatches, ...second.mismatches],
    disputes: [...first.disputes, ...second.disputes],
    setAside: [...first.setAside, ...second.setAside],
  };
}

/** `DomainError`: a sum of the batch that cannot be kept exactly. */
function isFaultOfData(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error.name === 'DomainError' || FAULTS_OF_DATA.has((sqlStateOf(error) ?? '').slice(0, 2));
}

function setAside({ seq, kind, key }: ReadyLine, code: SetAsideCode, detail: string): SetAside {
  return { seq, kind, key: storableText(key, 100), code, detail: storableText(detail, 300), held: false };
}

import type { Tx } from '../database/unit-of-work.js';
import { FACT_STORES } from './facts.js';
import type { FactContext } from './fact-context.js';
import { PARENT_KINDS, PARENT_TABLES } from './parents.js';
import { projectBisecting, type Projected } from './project-bisecting.js';
import type { ReadyLine, SetAside } from './read-line.js';
import { storableText } from './storable.js';

/**
 * A Z, then the seal that takes it in, what takes back what took back: no line of ours is further from one that waits for
 * nothing. What is comes again right after, as many steps at a time.
 */
const STEPS_MAX = 8;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Projects lines of one stream, parents before those that build on them. A line whose parent is not a fact, since it was
 * set aside or has never come, is set aside itself, with the parent named; so are lines that wait for each other.
 */
export async function projectInOrder(tx: Tx, context: FactContext, lines: readonly ReadyLine[]): Promise<Projected> {
  // Nearly always: not even a list is made.
  if (lines.every(({ waitsFor }) => waitsFor.length === 0)) return projectBisecting(tx, context, lines);
  const { mismatches, disputes, setAside } = await projectBisecting(
    tx,
    context,
    lines.filter(({ waitsFor }) => waitsFor.length === 0),
  );
  let waiting = lines.filter(({ waitsFor }) => waitsFor.length > 0);
  const standing = await standingParents(tx, context, waiting);
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const ready = waiting.filter(({ waitsFor }) => waitsFor.every((parent) => standing.has(parent)));
    if (ready.length === 0) break;
    const tried = new Set(ready);
    waiting = waiting.filter((line) => !tried.has(line));
    const projected = await projectBisecting(tx, context, ready);
    mismatches.push(...projected.mismatches);
    disputes.push(...projected.disputes);
    setAside.push(...projected.setAside);
    const failed = new Set(projected.setAside.map(({ seq }) => seq));
    for (const line of ready) if (!failed.has(line.seq)) standing.add(nameOf(line));
  }
  return { mismatches, disputes, setAside: [...setAside, ...waiting.map((line) => waits(line, standing))] };
}

/** Of the lines that these wait for, those whose facts stand. */
async function standingParents(tx: Tx, { branchId }: FactContext, waiting: readonly ReadyLine[]): Promise<Set<string>> {
  const standing = new Set<string>();
  const named = new Set(waiting.flatMap(({ waitsFor }) => waitsFor));
  for (const kind of PARENT_KINDS) {
    const prefix = `${kind}:`;
    const ids = [...named].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    const sought = ids.filter((id) => UUID.test(id));
    if (sought.length === 0) continue;
    const found = await tx.query<{ id: string }>(
      `SELECT id FROM ${PARENT_TABLES[kind]} WHERE branch_id = $1 AND id = ANY ($2::uuid[])`,
      [branchId, sought],
    );
    for (const { id } of found) standing.add(`${prefix}${id}`);
  }
  return standing;
}

function nameOf(line: ReadyLine): string {
  if (line.kind === 'incarnation-open') return `${line.kind}:${line.key}`;
  // The store of a kind takes lines of that kind, which the compiler does not follow through the table.
  const idOf = FACT_STORES[line.kind].idOf as (of: ReadyLine) => string;
  return `${line.kind}:${idOf(line)}`;
}

const PARENTS_NAMED_MAX = 20;

function waits({ seq, kind, key, waitsFor }: ReadyLine, standing: ReadonlySet<string>): SetAside {
  const missing = waitsFor.filter((parent) => !standing.has(parent));
  const [first] = missing;
  const label = { seq, kind, key: storableText(key, 100), held: false };
  if (first === undefined)
    return { ...label, code: 'not-tried', detail: 'too many lines of one push build on each other' };
  const named = missing.slice(0, PARENTS_NAMED_MAX).map((parent) => storableText(parent, 150));
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  return {
    ...label,
    code: 'waits-for-parent',
    detail: storableText(`waits for ${first}${more}`, 300),
    waitsFor: named,
  };
}

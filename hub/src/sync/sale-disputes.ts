import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import type { Tx } from '../database/unit-of-work.js';
import type { LineRef, NewConflict } from '../worklists/record-conflict.js';
import { archivedLines } from './archive.js';
import {
  findPrinted,
  markExceptions,
  numberBefore,
  type PrintedSale,
  type SaleException,
} from './duplicate-receipts.js';
import type { FactContext } from './fact-context.js';
import { DamagedChunk } from './journal-chunk.js';
import { readLine, type LineOfKind } from './read-line.js';

type SaleLine = LineOfKind<'sale'>;

/** Same content at the same till within so long: perhaps one sale, told twice under two ids. */
const SAME_SALE_MS_MAX = 2 * 60_000;

/** In one push; each is a chunk of the archive unpacked, while the branch is held. No store has so many tills. */
const TILLS_COMPARED_MAX = 100;

/** What the branch's rows say about sales that are about to go in: who bears their numbers, and who came right before. */
export type BeforeSales = ReadonlyMap<string, PrintedSale>;

/** One question a push, whatever it brings: its own numbers and, of each till, the number before its first. */
export async function findBefore(tx: Tx, context: FactContext, sales: readonly SaleLine[]): Promise<BeforeSales> {
  const numbers: string[] = [];
  const tills = new Set<string>();
  for (const { body } of sales) {
    numbers.push(body.receiptNumber);
    if (tills.has(body.till)) continue;
    tills.add(body.till);
    const before = numberBefore(body);
    if (before !== null) numbers.push(before);
  }
  return findPrinted(tx, context, numbers);
}

/**
 * Looks for what people have to decide about sales that have just gone in, and marks them. All of them stand.
 * - one number on two sales (`constraint_violation`)
 * - another sale with the same reference of the same device, as the store has told, and the same content at the same till
 *   within two minutes (`duplicate`)
 * What was written to settle a conflict opens none.
 */
export async function disputesOfSales(
  tx: Tx,
  context: FactContext,
  before: BeforeSales,
  inserted: readonly SaleLine[],
): Promise<NewConflict[]> {
  const printed = new Map<string, LineRef>(before);
  const last = new Map<string, SaleLine>();
  const disputes: NewConflict[] = [];
  const marks: SaleException[] = [];
  let compared = 0;
  const dispute = (
    line: SaleLine,
    first: LineRef,
    about: Omit<NewConflict, 'kind' | 'key' | 'first' | 'second'>,
  ): void => {
    const second = { incarnation: context.incarnation, seq: line.seq };
    disputes.push({
      ...about,
      kind: 'sale',
      key: line.body.id,
      first: { incarnation: first.incarnation, seq: first.seq },
      second,
    });
  };
  for (const line of inserted) {
    const { body, seq } = line;
    if (body.conflict !== undefined) continue;
    const bearer = printed.get(body.receiptNumber);
    if (bearer) {
      // Made anew, it may find its number on one that came after it: a rebuild marks by the order in which they came.
      if (!context.isRebuild) marks.push({ id: body.id, code: 'duplicate-receipt-number', detail: body.receiptNumber });
      dispute(line, bearer, DOUBLED_NUMBER);
    } else {
      printed.set(body.receiptNumber, { incarnation: context.incarnation, seq });
    }
    if (body.duplicateOf !== undefined) {
      const first = await refOfSale(tx, context, body.duplicateOf);
      if (first) dispute(line, first, SAME_REFERENCE);
      marks.push({ id: body.id, code: 'duplicate', detail: body.duplicateOf });
    } else if (body.reverses === undefined) {
      const previous = last.get(body.till);
      const mayCompare = previous !== undefined || (compared += 1) <= TILLS_COMPARED_MAX;
      const twin = mayCompare ? await twinOf(tx, context, line, previous, before) : null;
      if (twin) {
        dispute(line, twin, SAME_CONTENT);
        marks.push({ id: body.id, code: 'duplicate', detail: `line ${twin.seq} of ${twin.incarnation}` });
      }
    }
    last.set(body.till, line);
  }
  await markExceptions(tx, context, marks);
  return disputes;
}

const DOUBLED_NUMBER = {
  type: 'constraint_violation',
  suggested: 'keep_hub',
  reason:
    'Two different sales were printed with one receipt number. Both happened and both count; no printed document is given another number.',
} as const;

const SAME_REFERENCE = {
  type: 'duplicate',
  suggested: 'merge',
  reason:
    'The till gave two sales the same reference of its own. Most likely it is one sale told twice: then the second is taken back. If the till merely counted anew, both stand.',
} as const;

const SAME_CONTENT = {
  type: 'duplicate',
  suggested: 'keep_hub',
  reason:
    'Two sales with the same goods and the same payment followed each other at one till within two minutes. Two customers may well have bought the same: both stand, unless somebody knows better.',
} as const;

/** @returns the sale right before this one, when it says the same */
async function twinOf(
  tx: Tx,
  context: FactContext,
  line: SaleLine,
  last: SaleLine | undefined,
  before: BeforeSales,
): Promise<LineRef | null> {
  const { body } = line;
  if (!isTelling(body)) return null;
  if (last !== undefined) {
    const isTwin = isNear(body, last.body.soldAt, last.body) && contentOf(body) === contentOf(last.body);
    return isTwin ? { incarnation: context.incarnation, seq: last.seq } : null;
  }
  const number = numberBefore(body);
  const row = number === null ? undefined : before.get(number);
  if (row === undefined || row.till !== body.till || row.operator !== body.operator) return null;
  if (row.lines !== body.lines.length || !isNear(body, row.soldAtMs, row)) return null;
  const earlier = await bodyAt(tx, context, row);
  return earlier && contentOf(earlier) === contentOf(body) ? row : null;
}

/** A kiosk sells the same one thing for the same coins all day long: of that nothing follows. */
function isTelling({ lines, tenders }: SaleBody): boolean {
  return lines.length > 1 || tenders.some(({ card }) => typeof card?.['authCode'] === 'string');
}

function isNear(body: SaleBody, soldAtMs: number, { totalMinor }: { totalMinor: number }): boolean {
  return totalMinor === body.totalMinor && Math.abs(body.soldAt - soldAtMs) <= SAME_SALE_MS_MAX;
}

/** What a customer would call the same sale. */
function contentOf({ operator, customerId, lines, tenders, reverses, conflict }: SaleBody): string {
  const bought = lines.map(({ product, quantityMilli, totalMinor, modifiers }) => [
    product,
    quantityMilli,
    totalMinor,
    modifiers,
  ]);
  const paid = tenders.map(({ type, amountMinor, card }) => [type, amountMinor, card]);
  return JSON.stringify([operator, customerId, bought, paid, reverses, conflict]);
}

async function refOfSale(tx: Tx, { branchId }: FactContext, id: string): Promise<LineRef | undefined> {
  const [ref] = await tx.query<LineRef>('SELECT incarnation, seq FROM sale WHERE branch_id = $1 AND id = $2', [
    branchId,
    id,
  ]);
  return ref;
}

/** Null where the archive does not give it: then nothing is said. */
async function bodyAt(tx: Tx, { branchId }: FactContext, { incarnation, seq }: LineRef): Promise<SaleBody | null> {
  try {
    const [line] = await archivedLines(tx, { branchId, incarnation }, [seq]);
    const reading = line && readLine(line.bytes, seq);
    return reading && 'ready' in reading && reading.ready.kind === 'sale' ? reading.ready.body : null;
  } catch (error) {
    if (error instanceof DamagedChunk) return null;
    throw error;
  }
}

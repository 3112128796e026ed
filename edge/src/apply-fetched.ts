import {
  LINE_SHAPES,
  NewerContract,
  UnsoundBody,
  upcastLine,
  type KindShapes,
} from '@branchline/replication/contracts.js';
import type { DaySeal } from '@branchline/replication/kinds/day-seal.js';
import { isJournalKind, JOURNAL_KINDS, type JournalKind } from '@branchline/replication/kinds/registry.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { faultOfLabel } from '@branchline/replication/label-faults.js';
import { describeIssues, type JournalLine } from '@branchline/replication/line.js';
import { faultOfSale } from '@branchline/replication/sale-faults.js';
import { APPLIERS } from './appliers.js';
import { takeShiftClose, takeShiftOpen } from './cash/take-shift.js';
import { takeSale } from './selling/take-sale.js';
import type { Applier, FetchedApplier, FetchedOutcome } from './store/command.js';
import { LineNotTaken } from './store/late-lines.js';
import type { Tx } from './store/tx.js';

/** As `Applier`, for a line that came from the hub: the fact may be known already. */
export type Taker<K extends JournalKind> = (...line: Parameters<Applier<K>>) => FetchedOutcome;

/**
 * One per kind of line. Histories tell the same fact when it was journalled again, and different ones under one id when a
 * box was copied: the first here stands. They come one after the other, not in the order in which things happened, so none
 * relies on what it builds on being there.
 */
const TAKERS: { [K in JournalKind]: Taker<K> } = {
  'incarnation-open': () => 'applied',
  'device-enrol': (tx, line, place) => {
    if (tx.get('SELECT 1 FROM device WHERE id = ?', line.body.device) !== undefined) return 'known';
    APPLIERS['device-enrol'](tx, line, place);
    return 'applied';
  },
  'shift-open': takeShiftOpen,
  sale: takeSale,
  'shift-close': takeShiftClose,
  'day-seal': (tx, line, place) => {
    const sealedAt = sealOf(tx, line.body.businessDate);
    if (sealedAt !== undefined) return sealedAt === line.body.sealedAt ? 'known' : 'differs';
    APPLIERS['day-seal'](tx, line, place);
    return 'applied';
  },
  // Edits come to one by their clocks, in whichever order they are told.
  'customer-edit': (tx, line, place) => {
    const known = tx.get<{ hash: string }>('SELECT content_hash AS hash FROM customer_edit WHERE id = ?', line.body.id);
    if (known !== undefined) return known.hash === line.contentHash ? 'known' : 'differs';
    APPLIERS['customer-edit'](tx, line, place);
    return 'applied';
  },
};

/** A seal tells its instant to the millisecond: two of one date are two. */
function sealOf(tx: Tx, businessDate: string): DaySeal['sealedAt'] | undefined {
  return tx.get<{ at: number }>('SELECT sealed_at AS at FROM day_seal WHERE business_date = ?', businessDate)?.at;
}

/**
 * A signature tells whose line it is, not that it is sound. What head office sets aside is no fact here either.
 * @returns it in the shape of today @throws when it is none that this release can take
 */
function soundLine(line: JournalLine, shapes: Readonly<Record<JournalKind, KindShapes>>): JournalLine {
  const { kind } = line;
  if (!isJournalKind(kind)) throw new LineNotTaken(`no applier for lines of kind ${kind}`);
  const now = shapedNow(line, shapes);
  const { error } = JOURNAL_KINDS[kind].safeParse(now.body);
  if (error !== undefined) throw new LineNotTaken(`${kind}: ${describeIssues(error)}`);
  const fault = faultOfLabel(kind, now) ?? (kind === 'sale' ? faultOfSale(now.body as SaleBody) : null);
  if (fault !== null) throw new LineNotTaken(`${kind}: ${fault.detail}`);
  return now;
}

function shapedNow(line: JournalLine, shapes: Readonly<Record<JournalKind, KindShapes>>): JournalLine {
  try {
    return upcastLine(line, shapes);
  } catch (error) {
    if (error instanceof NewerContract || error instanceof UnsoundBody) throw new LineNotTaken(error.message);
    throw error;
  }
}

/** By the shapes that a release knows. What it makes throws when a line cannot be taken by that release, or by any. */
export function fetchedApplier(shapes: Readonly<Record<JournalKind, KindShapes>>): FetchedApplier {
  return (tx, line, place) => {
    const sound = soundLine(line, shapes);
    const take = TAKERS[sound.kind as JournalKind] as Taker<JournalKind>;
    return take(tx, sound as Parameters<Taker<JournalKind>>[1], place);
  };
}

export const applyFetched: FetchedApplier = fetchedApplier(LINE_SHAPES);

import { instantMsOf } from '@branchline/domain/business-date.js';
import { receiptNumber } from '@branchline/domain/receipt-number.js';
import { problem } from '@branchline/http/problem.js';
import type { Command, CommandContext, Decision, DraftLine, JournalRef } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { composeSale } from './compose-sale.js';
import { saleAnswer, type SaleAnswer } from './sale-answer.js';
import type { SaleInput } from './sale-input.js';
import { salePlace } from './sale-place.js';
import { replayedSale } from './stored-sale.js';

/** Beyond it the device's clock is said to be wrong; the sale stands. */
export const CLOCK_SKEW_MS_MAX = 2 * 60_000;

export type ProposedSale = {
  input: SaleInput;
  /** Over the JSON as received. */
  contentHash: string;
  till: string;
  branchCode: string;
  /** Whether the operator holds sale.import here. */
  mayImport: boolean;
};

export type SaleOutcome = { answer: SaleAnswer; replayed: boolean };

/**
 * `POST /v1/sales`. A proposal: it can be refused. With `sale.import`, and every line at its own price, it is an import:
 * the business date comes from `occurredAt`, and what the catalogue does not know is flagged.
 *
 * Statements are what a sale costs beside its commit: it reads its id, place and reference and each product once, and its
 * stock is written in one statement a table, whatever the number of lines. `npm run bench -- edge` tells what that comes to.
 *
 * @throws Problem same-id-other-content, forbidden, shift-not-found, and as `composeSale`
 */
export const completeSale: Command<ProposedSale, SaleOutcome> = {
  name: 'complete-sale',
  decide(tx, proposed, context) {
    const { input, contentHash, branchCode } = proposed;
    const stored = replayedSale(tx, input.id, contentHash);
    if (stored !== undefined) {
      const answer = saleAnswer(stored, branchCode, 'QUEUED');
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    assertMayImport(proposed);
    return recorded(decideSale(tx, proposed, context), context, branchCode);
  },
};

function decideSale(
  tx: ReadTx,
  { input, contentHash, till, branchCode, mayImport }: ProposedSale,
  context: CommandContext,
) {
  const { nowMs, epoch, actor, device } = context;
  if (actor === null) throw new Error('a live sale has an operator');
  const place = salePlace(tx, till, epoch);
  if (place.shift === null) throw problem('shift-not-found', `no shift is open on till ${till}`);
  const isImport = mayImport && input.lines.every((line) => line.priceSource === 'external');
  const occurredAtMs = input.occurredAt === undefined ? nowMs : instantMsOf(input.occurredAt);
  const isSkewed = !isImport && Math.abs(occurredAtMs - nowMs) > CLOCK_SKEW_MS_MAX;
  const receiptNo = place.lastReceiptNo + 1;
  return composeSale(tx, {
    input,
    contentHash,
    source: isImport ? 'import' : 'live',
    till,
    device,
    operator: actor,
    epoch,
    place,
    receiptNumber: receiptNumber(branchCode, till, epoch, receiptNo),
    receiptNo,
    occurredAtMs,
    soldAtMs: isImport ? occurredAtMs : nowMs,
    flags: isSkewed ? ['clock-skew'] : [],
  });
}

/** @throws Problem forbidden: prices, reductions and notes of the client's own are what sale.import is for */
function assertMayImport({ input, mayImport }: ProposedSale): void {
  if (mayImport) return;
  for (const line of input.lines) {
    if (line.priceSource !== 'external' && !line.modifiers?.length && !line.information?.length) continue;
    throw problem('forbidden', `line ${line.lineNo}: own prices, modifiers and information need sale.import`);
  }
}

/** The decision to journal one sale, answered from what was journalled. */
export function recorded(draft: DraftLine<'sale'>, context: CommandContext, branchCode: string): Decision<SaleOutcome> {
  return {
    lines: [draft],
    answer: ([journal]) => ({
      answer: saleAnswer(
        { body: draft.body, recordedAtMs: context.nowMs, journal: onlyRef(journal) },
        branchCode,
        'QUEUED',
      ),
      replayed: false,
    }),
  };
}

function onlyRef(ref: JournalRef | undefined): JournalRef {
  if (ref === undefined) throw new Error('a sale was decided and not journalled');
  return ref;
}

import { problem } from '@branchline/http/problem.js';
import type { ReadTx } from '../store/tx.js';
import { isWithin, type LineRange } from './in-flight.js';
import { saleAnswer, type SaleAnswer, type SaleState } from './sale-answer.js';
import { storedSale, type StoredSale } from './stored-sale.js';

/** `GET /v1/sales/:id`. @throws Problem not-found */
export function getSale(tx: ReadTx, id: string, branchCode: string, inFlight: LineRange | null): SaleAnswer {
  const sale = storedSale(tx, id);
  if (sale === undefined) throw problem('not-found', `no sale ${id}`);
  return saleAnswer(sale, branchCode, stateOfSale(tx, sale, inFlight));
}

/** How far a sale has come on its way to head office. */
export function stateOfSale(
  tx: ReadTx,
  { incarnationNo, seq }: Pick<StoredSale, 'incarnationNo' | 'seq'>,
  inFlight: LineRange | null,
): SaleState {
  const appliedSeq =
    tx.get<{ seq: number }>('SELECT applied_seq AS seq FROM push_state WHERE incarnation_no = ?', incarnationNo)?.seq ??
    0;
  if (seq <= appliedSeq) return 'APPLIED';
  return isWithin(inFlight, incarnationNo, seq) ? 'SENT' : 'QUEUED';
}

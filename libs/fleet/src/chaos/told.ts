import type { SaleAnswer } from '../chain/till-client.js';
import type { DemoSale } from '../demo/basket.js';

/** A sale that a till was told is done: what it asked for, and the answer, of which the customer holds the receipt. */
export interface Told {
  branch: string;
  till: string;
  request: DemoSale;
  answer: SaleAnswer;
}

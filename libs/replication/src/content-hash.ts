import { canonicalJson } from './canonical-json.js';
import { sha256Hex } from './chain.js';

/**
 * What makes two writings of a fact the same fact: sha256 over the canonical JSON *as received*, before defaults and
 * without a receipt number it may carry (a sale handed over again after a restore carries the number it was printed with).
 * A Z or a seal, which no one sends, is hashed over its body.
 */
export function contentHash(received: Record<string, unknown>): string {
  const { receiptNumber: _carried, ...fact } = received;
  return sha256Hex(canonicalJson(fact));
}

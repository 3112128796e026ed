import { sha256Hex } from './chain.js';

/**
 * The id of a line by which a branch settles a conflict: told by the conflict alone, so that two boxes of the branch, a
 * restored one and a doubled order write one and the same fact. A UUID of version 8 (RFC 9562).
 */
export function correctionId(conflict: string, part: 'reversal' | 'replacement'): string {
  const hex = sha256Hex(`branchline-correction-1\n${conflict}\n${part}`);
  const variant = ((parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

import { text } from '@branchline/http/fields.js';
import { z } from 'zod';
import { holdsCardNumber } from './card-number.js';

/** As the hub projects them: sums of a million such amounts are still exact. */
export const AMOUNT_MINOR_MAX = 10_000_000_000_000;
export const PARTS_OF_LINE_MAX = 50;

export const amount = z.int().min(-AMOUNT_MINOR_MAX).max(AMOUNT_MINOR_MAX);

/** Text that somebody may have typed, or a reader have sent, what is never stored. */
export const cardless = (lengthMax: number) =>
  text(lengthMax).refine((given) => !holdsCardNumber(given), 'a card number is never taken');

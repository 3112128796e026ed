import { First1700000000001 } from './000001-first.js';

/** In the order in which they are run. */
export const MIGRATIONS = [First1700000000001] as const;

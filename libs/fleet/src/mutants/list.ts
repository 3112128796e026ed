import type { Mutant } from './mutant.js';
import { SPINE_MUTANTS } from './spine-mutants.js';

/** All planted bugs. Add one for each thing that must never break; see first that a test catches it. */
export const MUTANTS: readonly Mutant[] = [...SPINE_MUTANTS];

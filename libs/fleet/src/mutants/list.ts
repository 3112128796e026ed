import { CUSTOMER_MUTANTS } from './customer-mutants.js';
import { EDGE_MUTANTS } from './edge-mutants.js';
import { HUB_MUTANTS } from './hub-mutants.js';
import type { Mutant } from './mutant.js';
import { RULE_MUTANTS } from './rule-mutants.js';
import { SPINE_MUTANTS } from './spine-mutants.js';

/** All planted bugs. Add one for each thing that must never break; see first that a test catches it. */
export const MUTANTS: readonly Mutant[] = [
  ...SPINE_MUTANTS,
  ...RULE_MUTANTS,
  ...EDGE_MUTANTS,
  ...HUB_MUTANTS,
  ...CUSTOMER_MUTANTS,
];

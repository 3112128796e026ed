import type { ConflictEffect } from './conflict-effect.js';
import { CUSTOMER_EFFECT } from './customer-effects.js';
import { CUSTOMER_EDIT_EFFECT } from './customer-edit-effect.js';
import { PERSON_KEY_EFFECT } from './person-key-effect.js';
import { FACT_EFFECT, SALE_EFFECT } from './fact-effects.js';

/** By the kind of the conflict; all others are facts of which one stands. */
const EFFECTS: Readonly<Record<string, ConflictEffect>> = {
  sale: SALE_EFFECT,
  customer: CUSTOMER_EFFECT,
  'customer-edit': CUSTOMER_EDIT_EFFECT,
  'person-key': PERSON_KEY_EFFECT,
};

export function effectOf(kind: string): ConflictEffect {
  return (Object.hasOwn(EFFECTS, kind) ? EFFECTS[kind] : undefined) ?? FACT_EFFECT;
}

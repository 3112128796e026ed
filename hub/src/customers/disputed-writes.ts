import { standing, type CustomerEdit, type CustomerState } from '@branchline/domain/customer.js';
import { isPersonal } from '@branchline/domain/customer-fields.js';

/** Fields that an edit wrote beside what stood, neither having seen the other, with two values: one of them loses. */
export type Dispute = {
  customer: string;
  edit: string;
  /** `stood`: the edit that wrote what stood before. `isAhead`: the new one stands now. */
  fields: { field: string; stood: string; isAhead: boolean }[];
};

/** Of two consents the stricter stands, which nobody is to decide otherwise; where a customer is, is head office's word. */
const isDisputable = (field: string): boolean => isPersonal(field) || field === 'language';

/** @param after what `before` and the edit come to @returns one, or none */
export function disputesOf(
  before: CustomerState,
  edit: CustomerEdit & { customer: string },
  after: CustomerState,
): Dispute[] {
  if (after.deleted !== null) return [];
  const fields = Object.entries(edit.changes).flatMap(([field, change]) => {
    const stood = standing(before, field);
    if (change === undefined || stood === null || !isDisputable(field) || stood.value === change.value) return [];
    const live = after.fields[field]?.live ?? [];
    const areBothLive = [stood.edit, edit.id].every((id) => live.some((write) => write.edit === id));
    return areBothLive ? [{ field, stood: stood.edit, isAhead: standing(after, field)?.edit === edit.id }] : [];
  });
  return fields.length === 0 ? [] : [{ customer: edit.customer, edit: edit.id, fields }];
}

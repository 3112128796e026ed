import type { BranchRow } from '../branches/branch.row.js';
import { editsAsTheyCame } from '../customers/replay-edits.js';
import type { Tx } from '../database/unit-of-work.js';
import {
  customerRows,
  lostWithheld,
  customersOfBranch,
  CUSTOMERS_START,
  openWithoutCustomer,
  type CustomersPlace,
} from './customer-rows.js';
import { faultsOfCustomer } from './customer-faults.js';
import type { Differences } from './differences.js';

/**
 * Customers against the edits that stores and head office told of them: what they come to, and what of it lies in clear.
 * That the edits are those of the lines is proved with the other facts; what head office wrote is in no archive, and is
 * taken as it lies here.
 */
export async function compareCustomers(
  tx: Tx,
  branch: BranchRow,
  parts: { personsMaster: Buffer; assertMayGoOn(): void },
  differences: Differences,
): Promise<void> {
  for (let place: CustomersPlace | null = CUSTOMERS_START; place !== null;) {
    parts.assertMayGoOn();
    const { ids, next }: Awaited<ReturnType<typeof customersOfBranch>> = await customersOfBranch(tx, branch, place);
    const edits = await editsAsTheyCame(tx, ids);
    for (const rows of await customerRows(tx, ids))
      for (const { what, detail } of faultsOfCustomer(rows, edits.get(rows.id) ?? [], parts.personsMaster))
        differences.add(what, detail);
    place = next;
  }
  for (const id of await lostWithheld(tx, branch.id))
    differences.add('missing-row', `customer_edit_withheld does not say that the delete ${id} is withheld`);
  const { rows, first } = await openWithoutCustomer(tx);
  if (rows > 0) differences.add('extra-row', `customer_open has ${rows} rows of no customer, the first of ${first}`);
}

import type { Applier } from '../store/command.js';

const INSERT = `
  INSERT INTO customer_edit (id, customer, op, box, hlc, changes, at, content_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO NOTHING`;

/**
 * As it was said, under the person's key: what opens it needs the key, which no line has (open-customers.ts). Writes the rows of
 * the line and looks at no others: a check applies lines to tables of its own.
 */
export const applyCustomerEdit: Applier<'customer-edit'> = (tx, line) => {
  const { id, customer, op, box, hlc, changes } = line.body;
  tx.run(INSERT, id, customer, op, box, hlc, JSON.stringify(changes), line.at, line.contentHash);
};

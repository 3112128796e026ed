import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { applyFetched } from '../src/apply-fetched.js';
import { v7 } from 'uuid';
import { APPLIERS } from '../src/appliers.js';
import { moveReference } from '../src/move-reference.js';
import { openDatabase } from '../src/store/database.js';
import { rebuild } from '../src/store/rebuild.js';
import { TABLE_ORIGINS } from '../src/store/table-origins.js';
import type { ReadTx } from '../src/store/tx.js';
import { EdgeHarness, importedSale, milkSale } from './edge-harness.js';

let edge: EdgeHarness;
beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.product('MILK', { minor: 1999 });
  await edge.operator('MAX', 'administrator');
});
afterEach(() => edge.close());

/** Only lines that were fetched write them: who-is-who.spec.ts rebuilds those. */
const OF_OTHER_HISTORIES = ['receipt_alias', 'orphan_sale'];

const journalRows = (tx: ReadTx): Record<string, unknown[]> =>
  Object.fromEntries(
    Object.entries(TABLE_ORIGINS)
      .filter(([, origin]) => origin === 'journal')
      .map(([table]) => [table, tx.all(`SELECT * FROM ${table} ORDER BY 1, 2`)]),
  );

it('writes every row of every kind again from the journal alone, and the same', async () => {
  const till = await edge.till('T1', 'MAX');
  const { data: shift } = await till.openShift();
  await till.sell(milkSale());
  await till.sell(importedSale());
  await till.device.batch([
    { kind: 'sale', deviceReference: 'T1-20261119-000042', ...milkSale({ occurredAt: '2026-11-19T15:00:00Z' }) },
  ]);
  const customer = await till.post('/customers', { id: v7(), name: 'Ann', consentSms: 'denied' });
  expect(customer.status).toBe(201);
  await till.sell(milkSale({ expectedTotalMinor: 1 }));
  expect((await till.post(`/shifts/${shift.id}/close`, { declared: [] })).status).toBe(201);
  expect((await till.post('/days/2026-11-20/seal')).status).toBe(201);

  const written = journalRows(edge.store.reads);
  for (const [table, rows] of Object.entries(written).filter(([name]) => !OF_OTHER_HISTORIES.includes(name)))
    expect({ table, empty: rows.length === 0 }).toEqual({ table, empty: false });
  const fresh = await openDatabase(join(edge.folder, 'again', 'edge.db'));
  try {
    rebuild(edge.store.reads, fresh.connection, { appliers: APPLIERS, moveReference, applyFetched });
    expect(journalRows(fresh.connection)).toEqual(written);
  } finally {
    await fresh.close();
  }
});

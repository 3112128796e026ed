import { feedBody, feedTable, type FeedApplier, type FeedRows } from '../feed-record.js';
import type { ReadTx, Tx } from '../store/tx.js';
import { HUB_SOURCE } from './customer-rows.js';
import { erasePerson, isErased } from './person-keys.js';

const UPSERT = `
  INSERT INTO feed_customer (id, take, version, body) VALUES (?, ?, ?, ?)
  ON CONFLICT (id, take) DO UPDATE SET version = excluded.version, body = excluded.body
  WHERE excluded.version > feed_customer.version`;

/** What the hub has decided of a customer, as it came; to be opened once its taking is seen and the key is here. */
const applyCustomer: FeedApplier = (tx, record) => {
  const { take, key: id, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_customer WHERE id = ? AND take = ? AND version < ?', id, take, version);
    if (isSeen(tx, take) && !isShown(tx, id)) forget(tx, id);
    return;
  }
  const body = feedBody('customer', record);
  const { changes } = tx.run(UPSERT, id, take, version, JSON.stringify(body));
  if (changes === 0 || isErased(tx, id)) return;
  tx.run('DELETE FROM customer_gone WHERE id = ?', id);
  tx.run('INSERT OR IGNORE INTO customer_sealed (customer, source, take) VALUES (?, ?, ?)', id, HUB_SOURCE, take);
};

const isSeen = (tx: ReadTx, take: number): boolean =>
  tx.get('SELECT 1 FROM feed_take WHERE no = ? AND visible = 1', take) !== undefined;
const isShown = (tx: ReadTx, id: string): boolean => tx.get('SELECT 1 FROM customer WHERE id = ?', id) !== undefined;

/** Deleted, or another region's: also what is pending here has lost. */
function forget(tx: Tx, id: string): void {
  tx.run('INSERT OR IGNORE INTO customer_gone (id) VALUES (?)', id);
  tx.run('DELETE FROM customer_open WHERE customer = ?', id);
  tx.run('DELETE FROM customer_sealed WHERE customer = ?', id);
}

const SEALED: FeedRows = feedTable<{ id: string; body: string }>(
  { table: 'feed_customer', key: 'id' },
  applyCustomer,
  ({ body }) => JSON.parse(body) as Record<string, unknown>,
);

/** In clear nobody stays whose record went with its scope. */
export const CUSTOMERS: FeedRows = {
  ...SEALED,
  drop(tx, take, after) {
    const place = SEALED.drop(tx, take, after);
    const range = 'customer > ? AND (? IS NULL OR customer <= ?)';
    const end = place?.after ?? null;
    tx.run(`DELETE FROM customer_sealed WHERE take = ? AND ${range}`, take, after, end, end);
    tx.run(
      `DELETE FROM customer_open WHERE source = ? AND ${range} AND NOT EXISTS (SELECT 1 FROM customer c WHERE c.id = customer)`,
      HUB_SOURCE,
      after,
      end,
      end,
    );
    return place;
  },
};

const applyErasure: FeedApplier = (tx, record) => {
  const { key, take, version } = record;
  // The row alone: no hub brings back what was destroyed.
  if (record.deleted) {
    tx.run('DELETE FROM feed_erasure WHERE person = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('erasure', record);
  tx.run(
    `INSERT INTO feed_erasure (person, take, version, body) VALUES (?, ?, ?, ?)
     ON CONFLICT (person, take) DO UPDATE SET version = excluded.version, body = excluded.body
     WHERE excluded.version > feed_erasure.version`,
    body.person,
    take,
    version,
    JSON.stringify(body),
  );
  erasePerson(tx, body.person);
};

export const ERASURES: FeedRows = feedTable<{ person: string; body: string }>(
  { table: 'feed_erasure', key: 'person' },
  applyErasure,
  ({ body }) => JSON.parse(body) as Record<string, unknown>,
);

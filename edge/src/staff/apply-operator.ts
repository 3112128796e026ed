import { feedBody, type FeedApplier } from '../feed-record.js';

const UPSERT = `
  INSERT INTO operator (operator, name, grants, pin_verifier, active, version) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (operator) DO UPDATE SET name = excluded.name, grants = excluded.grants,
    pin_verifier = excluded.pin_verifier, active = excluded.active, version = excluded.version
  WHERE excluded.version > operator.version`;

export const applyOperator: FeedApplier = (tx, record) => {
  if (record.deleted) {
    tx.run('DELETE FROM operator WHERE operator = ? AND version < ?', record.key, record.version);
    return;
  }
  const { operator, name, grants, pinVerifier, active } = feedBody('operator', record);
  tx.run(UPSERT, operator, name, JSON.stringify(grants), pinVerifier, active ? 1 : 0, record.version);
};

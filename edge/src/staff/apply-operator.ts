import { feedBody, feedTable, restOf, withRest, type FeedApplier } from '../feed-record.js';

const UPSERT = `
  INSERT INTO feed_operator (operator, take, version, name, grants, pin_verifier, active, rest)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (operator, take) DO UPDATE SET version = excluded.version, name = excluded.name, grants = excluded.grants,
    pin_verifier = excluded.pin_verifier, active = excluded.active, rest = excluded.rest
  WHERE excluded.version > feed_operator.version`;

const applyOperator: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_operator WHERE operator = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('operator', record);
  const { operator, name, grants, pinVerifier, active } = body;
  const rest = restOf(body, ['operator', 'name', 'grants', 'pinVerifier', 'active']);
  tx.run(UPSERT, operator, take, version, name, JSON.stringify(grants), pinVerifier, active ? 1 : 0, rest);
};

type Row = {
  operator: string;
  name: string;
  grants: string;
  pin_verifier: string | null;
  active: number;
  rest: string | null;
};

export const OPERATORS = feedTable<Row>(
  { table: 'feed_operator', key: 'operator' },
  applyOperator,
  ({ operator, name, grants, pin_verifier: pinVerifier, active, rest }) =>
    withRest({ operator, name, grants: JSON.parse(grants) as unknown, pinVerifier, active: active === 1 }, rest),
);

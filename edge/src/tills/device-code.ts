import { feedBody, feedTable, restOf, withRest, type FeedApplier } from '../feed-record.js';

const UPSERT = `
  INSERT INTO feed_device_code (code_hash, take, version, till, expires_at, rest) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (code_hash, take) DO UPDATE SET version = excluded.version, till = excluded.till,
    expires_at = excluded.expires_at, rest = excluded.rest
  WHERE excluded.version > feed_device_code.version`;

const applyDeviceCode: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_device_code WHERE code_hash = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('device-code', record);
  const rest = restOf(body, ['codeHash', 'till', 'expiresAt']);
  tx.run(UPSERT, body.codeHash, take, version, body.till, body.expiresAt, rest);
};

type Row = { code_hash: string; till: string; expires_at: number; rest: string | null };

export const DEVICE_CODES = feedTable<Row>(
  { table: 'feed_device_code', key: 'code_hash' },
  applyDeviceCode,
  ({ code_hash: codeHash, till, expires_at: expiresAt, rest }) => withRest({ codeHash, till, expiresAt }, rest),
);

import { feedBody, type FeedApplier } from '../feed-record.js';

const UPSERT = `
  INSERT INTO device_code (code_hash, till, expires_at, version) VALUES (?, ?, ?, ?)
  ON CONFLICT (code_hash) DO UPDATE SET till = excluded.till, expires_at = excluded.expires_at, version = excluded.version
  WHERE excluded.version > device_code.version`;

export const applyDeviceCode: FeedApplier = (tx, record) => {
  if (record.deleted) {
    tx.run('DELETE FROM device_code WHERE code_hash = ? AND version < ?', record.key, record.version);
    return;
  }
  const { codeHash, till, expiresAt } = feedBody('device-code', record);
  tx.run(UPSERT, codeHash, till, expiresAt, record.version);
};

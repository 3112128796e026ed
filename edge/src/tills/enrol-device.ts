import { newOpaqueToken } from '@branchline/access/opaque-token.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import { problem } from '@branchline/http/problem.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import type { Command } from '../store/command.js';

export type DeviceToEnrol = { code: string; name: string; deviceId: string; token: ReturnType<typeof newOpaqueToken> };
export type EnrolledDevice = { deviceId: string; deviceToken: string; till: string };

/**
 * `POST /v1/devices/enrol`: a browser becomes the device of a till. The code came by feed, as a hash; that it was used is
 * the device's own row, so that it stays used when the feed brings it again.
 *
 * @throws Problem code-invalid: unknown, expired and used are one answer
 */
export const enrolDevice: Command<DeviceToEnrol, EnrolledDevice> = {
  name: 'enrol-device',
  decide(tx, { code, name, deviceId, token }, { nowMs }) {
    const codeHash = hashToken(code);
    const known = tx.get<{ till: string }>(
      `SELECT till FROM device_code c WHERE code_hash = ? AND expires_at > ?
         AND NOT EXISTS (SELECT 1 FROM device d WHERE d.code_hash = c.code_hash)`,
      codeHash,
      nowMs,
    );
    if (known === undefined) throw problem('code-invalid');
    const body = { device: deviceId, name, till: known.till, codeHash, tokenHash: token.hash };
    return {
      lines: [{ kind: 'device-enrol', key: deviceId, refs: [], contentHash: contentHash(body), body }],
      answer: () => ({ deviceId, deviceToken: token.token, till: known.till }),
    };
  },
};

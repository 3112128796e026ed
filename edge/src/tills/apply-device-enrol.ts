import type { Applier } from '../store/command.js';

export const applyDeviceEnrol: Applier<'device-enrol'> = (tx, line) => {
  const { device, name, till, codeHash, tokenHash } = line.body;
  tx.run(
    'INSERT INTO device (id, name, till, code_hash, token_hash, enrolled_at) VALUES (?, ?, ?, ?, ?, ?)',
    device,
    name,
    till,
    codeHash,
    tokenHash,
    line.at,
  );
};

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { verify } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubSecrets } from './secrets.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the secrets of the hub', () => {
  it('are made once and read ever after', () => {
    const [first, second] = [HubSecrets.open(folder), HubSecrets.open(folder)];
    expect(second.branchPepper('b1')).toEqual(first.branchPepper('b1'));
    expect(second.peopleKey.export({ format: 'jwk' })).toEqual(first.peopleKey.export({ format: 'jwk' }));
    expect(second.certify({ box: 'x' })).toBe(first.certify({ box: 'x' }));
    expect(readdirSync(folder).sort()).toEqual([
      'boxes-es256.pem',
      'certifying-ed25519.pem',
      'memory-master',
      'people-es256.pem',
      'pepper-master',
      'persons-master',
      'sealing-x25519.pem',
    ]);
  });

  it('give each branch a pepper of its own, and people and boxes keys of their own', () => {
    const secrets = HubSecrets.open(folder);
    expect(secrets.branchPepper('b1')).toHaveLength(32);
    expect(secrets.branchPepper('b1')).not.toEqual(secrets.branchPepper('b2'));
    expect(secrets.peopleKey.export({ format: 'jwk' })).not.toEqual(secrets.boxesKey.export({ format: 'jwk' }));
  });

  it('sign a certificate that the public key proves, and no other text', () => {
    const secrets = HubSecrets.open(folder);
    const [header, payload, signature] = secrets.certify({ box: 'b', branch: 'c' }).split('.');
    const holds = (text: string): boolean =>
      verify(null, Buffer.from(text), secrets.certifyingPublicKey, Buffer.from(signature ?? '', 'base64url'));
    expect(JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())).toEqual({ box: 'b', branch: 'c' });
    expect(holds(`${header}.${payload}`)).toBe(true);
    expect(holds(`${header}.${payload}x`)).toBe(false);
  });

  it('are not used when others may read them, or when they are cut short', () => {
    HubSecrets.open(folder);
    chmodSync(join(folder, 'pepper-master'), 0o644);
    expect(() => HubSecrets.open(folder)).toThrow('may be read by others');
    chmodSync(join(folder, 'pepper-master'), 0o600);
    writeFileSync(join(folder, 'pepper-master'), 'AAAA');
    expect(() => HubSecrets.open(folder)).toThrow('does not hold 32 bytes');
    writeFileSync(join(folder, 'pepper-master'), '');
    writeFileSync(join(folder, 'people-es256.pem'), '');
    expect(() => HubSecrets.open(folder)).toThrow('HUB_SECRETS_DIR');
  });
});

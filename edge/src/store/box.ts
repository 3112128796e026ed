import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { hubKeysSchema, type HubKeys } from '@branchline/replication/box-protocol.js';
import { z } from 'zod';
import { writePrivateFile } from './private-file.js';

/** Who this box is: its place in a branch, given by the hub at enrolment, and its keys. Kept beside the database, not in it. */
export type BoxIdentity = {
  tenant: string;
  branch: string;
  branchCode: string;
  box: string;
  /** First epoch the hub granted to this box. */
  epoch: number;
  certificate: string;
  /** Of the hub; null: one of before, which told none. */
  hubKeys: HubKeys | null;
  /** Private keys: Ed25519 signs heads and token proofs, X25519 opens what the hub seals to this box. */
  signingKey: KeyObject;
  sealingKey: KeyObject;
  /** Pepper of the branch's PINs. */
  pepper: Buffer;
  /** Secret of the operators' access tokens, which this box alone signs and checks. */
  tokenSecret: Buffer;
};

export type BoxKeys = Pick<BoxIdentity, 'signingKey' | 'sealingKey' | 'tokenSecret'>;

const fileSchema = z.strictObject({
  tenant: z.string(),
  branch: z.string(),
  branchCode: z.string(),
  box: z.string(),
  epoch: z.int().min(1),
  certificate: z.string(),
  hubKeys: hubKeysSchema.nullable().default(null),
  signingKey: z.string(),
  sealingKey: z.string(),
  pepper: z.string(),
  tokenSecret: z.string(),
});

const FILE_NAME = 'box.json';

export function newBoxKeys(): BoxKeys {
  return {
    signingKey: generateKeyPairSync('ed25519').privateKey,
    sealingKey: generateKeyPairSync('x25519').privateKey,
    tokenSecret: randomBytes(32),
  };
}

/** @returns null when the box is not enrolled yet @throws EnvironmentFailure when the file is there and cannot be read */
export function loadBox(dataDir: string): BoxIdentity | null {
  const path = join(dataDir, FILE_NAME);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new EnvironmentFailure(`cannot read ${path}: ${(error as Error).message}`);
  }
  const parsed = fileSchema.safeParse(safeJson(text));
  if (!parsed.success) throw new EnvironmentFailure(`${path} is damaged; enrol the box again`);
  const { signingKey, sealingKey, pepper, tokenSecret, ...rest } = parsed.data;
  return {
    ...rest,
    signingKey: createPrivateKey(signingKey),
    sealingKey: createPrivateKey(sealingKey),
    pepper: Buffer.from(pepper, 'base64url'),
    tokenSecret: Buffer.from(tokenSecret, 'base64url'),
  };
}

/** Whole or not at all; readable by the owner alone. */
export function saveBox(dataDir: string, box: BoxIdentity): void {
  const text = JSON.stringify({
    ...box,
    signingKey: pem(box.signingKey),
    sealingKey: pem(box.sealingKey),
    pepper: box.pepper.toString('base64url'),
    tokenSecret: box.tokenSecret.toString('base64url'),
  });
  writePrivateFile(join(dataDir, FILE_NAME), text);
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

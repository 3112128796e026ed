import { EnvironmentFailure } from '@branchline/http/exit.js';
import { makeFolder } from '@branchline/http/make-folder.js';
import type { HubKeys } from '@branchline/replication/box-protocol.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS = 0o077;
const MASTER_BYTES = 32;
const CERTIFYING_KEY = 'certifying-ed25519.pem';

/**
 * What must never stand in the database or its backups: who holds a copy of the data can forge no box, no person and test no PIN.
 * Made at the first start; a hub of several processes shares the folder.
 */
export class HubSecrets {
  private constructor(
    private readonly certifyingKey: KeyObject,
    /** Signs the access tokens of people (ES256). */
    readonly peopleKey: KeyObject,
    /** Signs the service tokens of boxes (ES256). */
    readonly boxesKey: KeyObject,
    private readonly pepperMaster: Buffer,
    /** To which boxes seal what only the hub may read (X25519). */
    readonly sealingKey: KeyObject,
    /** Under it the keys of persons lie in the database. */
    readonly personsMaster: Buffer,
    private readonly memoryMaster: Buffer,
  ) {}

  /** @throws EnvironmentFailure when the folder cannot be used or others may read it */
  static open(folder: string): HubSecrets {
    try {
      makeFolder(folder, FOLDER_MODE);
      refuseIfOpenToOthers(folder);
      return new HubSecrets(
        keyOf(join(folder, CERTIFYING_KEY), () => generateKeyPairSync('ed25519').privateKey),
        keyOf(join(folder, 'people-es256.pem'), newEs256Key),
        keyOf(join(folder, 'boxes-es256.pem'), newEs256Key),
        masterOf(join(folder, 'pepper-master')),
        keyOf(join(folder, 'sealing-x25519.pem'), () => generateKeyPairSync('x25519').privateKey),
        masterOf(join(folder, 'persons-master')),
        masterOf(join(folder, 'memory-master')),
      );
    } catch (error) {
      if (error instanceof EnvironmentFailure) throw error;
      throw new EnvironmentFailure(`HUB_SECRETS_DIR: ${(error as Error).message}`, { cause: error });
    }
  }

  /** For a command beside the server: of keys that it made itself, nothing here would be proved. @throws EnvironmentFailure */
  static openExisting(folder: string): HubSecrets {
    if (!existsSync(join(folder, CERTIFYING_KEY)))
      throw new EnvironmentFailure(`HUB_SECRETS_DIR: the keys of the hub are not in ${folder}`);
    return HubSecrets.open(folder);
  }

  get certifyingPublicKey(): KeyObject {
    return createPublicKey(this.certifyingKey);
  }

  /** What boxes keep of the hub: the certifying key proves what comes from it, to the other is sealed what goes there. */
  get publicKeys(): HubKeys {
    return { certifyingKey: rawPublicKey(this.certifyingKey), sealingKey: rawPublicKey(this.sealingKey) };
  }

  /** Ed25519, by the certifying key, over a message that says what it is: none may be taken for a certificate. */
  signAsHub(message: Buffer): Buffer {
    return sign(null, message, this.certifyingKey);
  }

  /** Compact JWS (EdDSA) over what the hub stands by: which box, with which keys, belongs to which branch. */
  certify(payload: Record<string, unknown>): string {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
    const signed = `${part({ alg: 'EdDSA', typ: 'branchline-box' })}.${part(payload)}`;
    return `${signed}.${sign(null, Buffer.from(signed, 'utf8'), this.certifyingKey).toString('base64url')}`;
  }

  /** 32 bytes, by which the hub knows again what it told a box. */
  memoryMac(message: string): Buffer {
    return createHmac('sha256', this.memoryMaster).update(`branchline-memory-1\n${message}`).digest();
  }

  /** 32 bytes. A box gets its own branch's, sealed to its key, and can test no PIN of another branch. */
  branchPepper(branchId: string): Buffer {
    return createHmac('sha256', this.pepperMaster).update(`branchline-pepper-1\n${branchId}`).digest();
  }
}

function newEs256Key(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function keyOf(file: string, make: () => KeyObject): KeyObject {
  return createPrivateKey(contentOf(file, () => make().export({ type: 'pkcs8', format: 'pem' }) as string));
}

function masterOf(file: string): Buffer {
  const master = Buffer.from(
    contentOf(file, () => `${randomBytes(MASTER_BYTES).toString('base64url')}\n`).toString('utf8'),
    'base64url',
  );
  if (master.length !== MASTER_BYTES) throw new EnvironmentFailure(`${file} does not hold ${MASTER_BYTES} bytes`);
  return master;
}

/** Written aside and linked into place: of two processes that start at once one makes it and both read the same whole file. */
function contentOf(file: string, make: () => string): Buffer {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) {
    const draft = `${file}.${process.pid}.new`;
    writeFileSync(draft, make(), { mode: FILE_MODE, flush: true });
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
  refuseIfOpenToOthers(file);
  return readFileSync(file);
}

function refuseIfOpenToOthers(path: string): void {
  if (statSync(path).mode & OTHERS) throw new EnvironmentFailure(`${path} may be read by others: chmod go= ${path}`);
}

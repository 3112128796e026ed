import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { v7 } from 'uuid';
import { newBoxKeys, type BoxIdentity } from '../box.js';
import type { Appliers, Command, FetchedApplier, JournalRef } from '../command.js';
import { applyLine } from '../journal.js';
import { Store, type OwnStore, type StoreParts } from '../store.js';
import type { Tx } from '../tx.js';

/** A real file with the store's machinery, and one small kind of fact to write into it: enrolled devices. */
export type StoreFixture = {
  folder: string;
  clock: ManualClock;
  alarms: string[];
  fatal: Error[];
  box: BoxIdentity;
  open(overrides?: Partial<StoreParts>): Promise<OwnStore>;
  remove(): void;
};

const certifyingKey = generateKeyPairSync('ed25519').privateKey;
export const CERTIFYING_KEY = rawPublicKey(certifyingKey);

/** A box of a branch; another one of the same branch when that is given. */
export function newBox(of: Partial<Pick<BoxIdentity, 'tenant' | 'branch' | 'epoch'>> = {}): BoxIdentity {
  const keys = newBoxKeys();
  const place = { tenant: v7(), branch: v7(), ...of, box: v7() };
  const box = { ...keys, branchCode: 'B001', epoch: 1, ...place, hubKeys: null, pepper: Buffer.alloc(32, 7) };
  return { ...box, certificate: certificateOf(box) };
}

/** As a hub certifies. */
export function certificateOf({
  tenant,
  branch,
  box,
  signingKey,
  sealingKey,
}: Omit<BoxIdentity, 'certificate'>): string {
  const keys = { signingKey: rawPublicKey(signingKey), sealingKey: rawPublicKey(sealingKey) };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'EdDSA' })}.${part({ tenant, branch, box, ...keys })}`;
  return `${signed}.${sign(null, Buffer.from(signed), certifyingKey).toString('base64url')}`;
}

export function storeFixture(): StoreFixture {
  const folder = mkdtempSync(join(tmpdir(), 'branchline-store-'));
  const clock = new ManualClock(Date.parse('2026-11-20T14:00:00Z'));
  const alarms: string[] = [];
  const fatal: Error[] = [];
  const box = newBox();
  return {
    folder,
    clock,
    alarms,
    fatal,
    box,
    open: (overrides = {}) =>
      Store.open({
        config: { databaseFile: join(folder, 'edge.db'), witnessFile: join(folder, 'witness') },
        box,
        appliers: DEVICE_APPLIERS,
        moveReference: () => undefined,
        applyFetched: takeDevice,
        clock,
        newId: v7,
        // What is queued together is one group, however slow the machine.
        stopwatch: () => 0,
        alarm: (message) => alarms.push(message),
        onFatal: (error) => fatal.push(error),
        ...overrides,
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Of a device of another history. */
export const takeDevice: FetchedApplier = (tx, line, place) => {
  if (line.kind !== 'device-enrol') return 'applied';
  if (tx.get('SELECT 1 FROM device WHERE id = ?', line.key) !== undefined) return 'known';
  applyLine(tx, line, place, DEVICE_APPLIERS);
  return 'applied';
};

const notHere = (): never => {
  throw new Error('this fixture writes devices only');
};

export const DEVICE_APPLIERS: Appliers = {
  'incarnation-open': () => undefined,
  'device-enrol': (tx, line) => {
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
  },
  'shift-open': notHere,
  sale: notHere,
  'shift-close': notHere,
  'day-seal': notHere,
  'customer-edit': notHere,
};

export type EnrolInput = { id: string; name: string; refuse?: boolean; thenThrow?: string };

export const ROWS_OF_A_TEST = 'rows of a test';

/** A write as no program has it. */
export function writeRows<T>(store: Store, work: (tx: Tx) => T): Promise<T> {
  return store.writer.write({ name: ROWS_OF_A_TEST, run: (tx) => work(tx) }, null);
}

/** For rows of the feed that no replicator brought. @returns a taking that is seen */
export function visibleTake(tx: Tx): number {
  const take = 1_000;
  tx.run(
    `INSERT INTO feed_take (no, scope, pulled, visible, number, hash, newest) VALUES (?, 'tenant', 1, 1, 0, ?, 0)
     ON CONFLICT DO NOTHING`,
    take,
    '0'.repeat(64),
  );
  return take;
}

const hashOf = (text: string): string => Buffer.from(text.padEnd(32, '.')).subarray(0, 32).toString('hex');

/** Journals one device; refuses or breaks after looking, when told to. */
export const enrolDevice: Command<EnrolInput, JournalRef> = {
  name: 'enrol-device',
  decide: (_tx, input) => {
    if (input.refuse) throw problem('code-invalid');
    if (input.thenThrow !== undefined) throw new Error(input.thenThrow);
    const codeHash = hashOf(input.id.replaceAll('-', ''));
    return {
      lines: [
        {
          kind: 'device-enrol',
          key: input.id,
          refs: [],
          contentHash: codeHash,
          body: { device: input.id, name: input.name, till: 'T1', codeHash, tokenHash: codeHash },
        },
      ],
      answer: ([ref]) => {
        if (ref === undefined) throw new Error('one line was journalled');
        return ref;
      },
    };
  },
};

export const BY_NOBODY = { actor: null, device: null };

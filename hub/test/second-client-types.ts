import type { KeyObject } from 'node:crypto';

/** What the specs use of `libs/replication/second-client`, which has no types of its own. */
export type KeyPair = { secret: KeyObject; raw: string };
export type Box = {
  tenant: string;
  branch: string;
  branchCode: string;
  box: string;
  signing: KeyPair;
  sealing: KeyPair;
};
export type NewLine = {
  kind: string;
  key: string;
  at: number;
  body: Record<string, unknown>;
  refs?: string[];
  contentHash?: string;
};
export type Opened = { incarnation: string; epoch: number; nowMs: number };

export type Journal = {
  incarnation: string;
  epoch: number;
  seq: number;
  lastHlc: string;
  lines: Buffer[];
  hashes: string[];
  append(line: NewLine): number;
  push(fromSeq?: number, count?: number): Buffer;
};

export type Record_ = {
  number: number;
  kind: string;
  key: string;
  version: number;
  deleted: boolean;
  bodyHash: string;
  hash: string;
  body: Record<string, unknown>;
};
export type Cursor = { scope: string; hubEpoch: string | null; number: number; hash: string };
export type Feed = Cursor & { standing: Map<string, Record_>; cursor: Cursor };
export type Person = { encrypt(field: string, text: string): string; decrypt(field: string, value: string): string };

export type Rules = {
  NO_HASH: string;
  Journal: new (box: Box, opened: Opened) => Journal;
  Feed: new (scope: string) => Feed;
  Person: new (person: string, key: Buffer) => Person;
  canonical(value: unknown): string;
  sha256(...parts: (string | Buffer)[]): string;
  keyPair(curve: 'Ed25519' | 'X25519', seed?: Buffer): KeyPair;
  sign(text: string, secret: KeyObject): string;
  certified(certificate: string, certifyingKey: string): Record<string, unknown>;
  correctionId(conflict: string, part: 'reversal' | 'replacement'): string;
  contentHash(fact: Record<string, unknown>): string;
  headMessage(box: Pick<Box, 'tenant' | 'branch'>, incarnation: string, seq: number, hash: string): string;
  seal(content: Buffer, receiver: string, ephemeral?: KeyPair, nonce?: Buffer): string;
  unseal(sealed: string, pair: KeyPair): Buffer;
  sumsOf(records: Iterable<Pick<Record_, 'kind' | 'key' | 'version' | 'bodyHash'>>): unknown;
};

type History = { incarnation: string; appliedSeq: number; headHash: string; signingKey: string };
type PushAnswer = { appliedSeq: number; headHash: string; quarantined: { seq: number; code: string }[] };

export type SecondClient = {
  place: {
    tenant: string;
    branch: string;
    branchCode: string;
    box: string;
    epoch: number;
    certificate: string;
    scopes: string[];
    hubKeys: { certifyingKey: string };
  };
  box: Box;
  pepper: Buffer;
  signing: KeyPair;
  sealing: KeyPair;
  prove(): Promise<void>;
  enrol(code: string): Promise<void>;
  push(body: Buffer, encoding?: 'br' | 'gzip'): Promise<PushAnswer>;
  pushAll(
    journal: Journal,
    fromSeq: number,
    newIncarnation: () => { incarnation: string; nowMs: number },
  ): Promise<Journal>;
  hello(
    journals: Journal[],
    more?: { cursors?: Cursor[] },
  ): Promise<{ hubEpoch: string; histories: History[]; certifyingKey: string; cursors: unknown }>;
  ask(method: string, path: string, body: Buffer, headers: Record<string, string>): Promise<unknown>;
  stream(journal: Journal): Promise<{ appliedSeq: number; headHash: string } | undefined>;
  linesOf(
    history: History,
    certifyingKey: string,
    seq?: number,
    hash?: string,
  ): Promise<{ lines: string[]; hash: string }>;
  pull(feed: Feed): Promise<Feed>;
  sums(cursor: Cursor): Promise<{ kinds: unknown }>;
  snapshot(
    scope: string,
    upTo: number,
  ): Promise<{ about: { number: number; hash: string; records: number }; resumed: boolean }>;
  handOver(keys: Map<string, Buffer>): Promise<unknown>;
  wanted(persons: string[]): Promise<{ keys: Map<string, Buffer>; gone: string[]; erased: string[] }>;
};
export type ClientModule = { Client: new (url: string, options?: { firstRetryMs?: number }) => SecondClient };

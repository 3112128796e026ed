import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { enrolAnswerSchema, nonceAnswerSchema, tokenAnswerSchema } from '@branchline/replication/box-protocol.js';
import { feedHash, feedPageSchema } from '@branchline/replication/feed.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { NudgeReader, NUDGES_PATH } from '@branchline/replication/nudge.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import type { z } from 'zod';

const unpack = promisify(brotliDecompress);
const GENESIS = '0'.repeat(64);
/** As many as a hub is asked by at once; a thousand stores are not one machine with a thousand sockets in its hand. */
const SOCKETS_MAX = 64;
const ENROLLING_AT_ONCE = 8;

type Cursor = { number: number; hash: string };
type Box = { token: string; cursors: Map<string, Cursor>; pulling: boolean; nudged: boolean };
/** What follows a page, once proved: every box that is sent the same bytes has the same in hand. */
type Proved = { end: Cursor; newest: number };

/**
 * Boxes that follow their scopes by the real protocol: a token each, a stream of nudges each, cursors with hashes, pages as they
 * come. What a page says is unpacked and its chain proved once for all who get the same bytes: it is the hub that is measured.
 */
export class VirtualBoxes {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  private readonly boxes: Box[] = [];
  private readonly proved = new Map<string, Promise<Proved>>();
  private waiting: { scope: string; number: number; resolve(): void; reject(error: unknown): void } | null = null;
  private failure: unknown = null;
  readonly counters = { requests: 0, bytes: 0 };

  constructor(
    private readonly hubUrl: string,
    private readonly scopes: readonly string[],
  ) {}

  /** Resolves when they listen, and have what there is. */
  async enrol(codes: readonly string[]): Promise<void> {
    const left = [...codes];
    const work = async (): Promise<void> => {
      for (let code = left.pop(); code !== undefined; code = left.pop()) await this.open(code);
    };
    await Promise.all(Array.from({ length: ENROLLING_AT_ONCE }, work));
  }

  /** Resolves when every box has this number. */
  allAt(scope: string, number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { scope, number, resolve, reject };
      if (this.failure !== null) reject(this.failure);
      this.look();
    });
  }

  private async open(code: string): Promise<void> {
    const signing = generateKeyPairSync('ed25519').privateKey;
    const signingKey = rawPublicKey(signing);
    const sealingKey = rawPublicKey(generateKeyPairSync('x25519').privateKey);
    const { box } = await this.post('/sync/v1/enrol', { code, signingKey, sealingKey }, enrolAnswerSchema);
    const { nonce } = await this.post('/sync/v1/token', { box }, nonceAnswerSchema);
    const proof = { box, nonce, signature: signTokenProof(box, nonce, signing) };
    const { token } = await this.post('/sync/v1/token', proof, tokenAnswerSchema);
    const cursors = new Map(this.scopes.map((scope) => [scope, { number: 0, hash: GENESIS }]));
    const opened: Box = { token, cursors, pulling: false, nudged: false };
    await this.pull(opened);
    this.boxes.push(opened);
    await this.listen(opened);
  }

  private listen(box: Box): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${box.token}` };
      const request = http.get(`${this.hubUrl}${NUDGES_PATH}`, { headers, agent: false }, (answer) => {
        if (answer.statusCode !== 200) return reject(new Error(`nudges: ${answer.statusCode}`));
        const reader = new NudgeReader();
        answer.on('data', (piece: Buffer) => {
          if (reader.read(piece).length > 0) void this.pull(box).catch((error: unknown) => this.fail(error));
        });
        resolve();
      });
      request.on('error', reject);
    });
  }

  /** One at a time in a box; a nudge meanwhile makes it look once more. */
  private async pull(box: Box): Promise<void> {
    box.nudged = true;
    if (box.pulling) return;
    box.pulling = true;
    while (box.nudged) {
      box.nudged = false;
      for (const scope of this.scopes) await this.pullScope(box, scope);
    }
    box.pulling = false;
    this.look();
  }

  private async pullScope(box: Box, scope: string): Promise<void> {
    for (;;) {
      const cursor = box.cursors.get(scope);
      if (cursor === undefined) throw new Error(`no cursor in ${scope}`);
      const path = `/sync/v1/feed/${encodeURIComponent(scope)}?after=${cursor.number}&hash=${cursor.hash}`;
      const { etag, bytes, encoding } = await this.get(path, box.token);
      const { end, newest } = await this.provedPage(cursor, etag, bytes, encoding);
      box.cursors.set(scope, end);
      if (end.number >= newest) return;
    }
  }

  /** By the bytes and by where they are read from: whoever comes second waits for the first. */
  private provedPage(cursor: Cursor, etag: string, bytes: Buffer, encoding: string): Promise<Proved> {
    const key = `${etag} ${cursor.hash}`;
    const known = this.proved.get(key);
    if (known !== undefined) return known;
    const proving = proved(cursor, bytes, encoding);
    this.proved.set(key, proving);
    return proving;
  }

  private look(): void {
    const { waiting } = this;
    if (waiting === null) return;
    const { scope, number, resolve } = waiting;
    if (this.boxes.every(({ cursors }) => (cursors.get(scope)?.number ?? 0) >= number)) {
      this.waiting = null;
      resolve();
    }
  }

  private fail(error: unknown): void {
    this.failure = error;
    this.waiting?.reject(error);
  }

  private async post<S extends z.ZodType>(path: string, body: object, schema: S): Promise<z.output<S>> {
    const { bytes } = await this.exchange('POST', path, { 'content-type': 'application/json' }, JSON.stringify(body));
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  }

  private get(path: string, token: string): Promise<{ etag: string; bytes: Buffer; encoding: string }> {
    return this.exchange('GET', path, { authorization: `Bearer ${token}`, 'accept-encoding': 'br' });
  }

  private exchange(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<{ etag: string; bytes: Buffer; encoding: string }> {
    return new Promise((resolve, reject) => {
      const request = http.request(`${this.hubUrl}${path}`, { method, headers, agent: this.agent }, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => void pieces.push(piece));
        answer.on('end', () => {
          const bytes = Buffer.concat(pieces);
          this.counters.requests += 1;
          this.counters.bytes += bytes.length;
          if (answer.statusCode !== 200) return reject(new Error(`${path}: ${answer.statusCode} ${bytes.toString()}`));
          const { etag = '', 'content-encoding': encoding = 'identity' } = answer.headers;
          resolve({ etag, bytes, encoding });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** @throws Error when the page does not follow the cursor */
async function proved(cursor: Cursor, bytes: Buffer, encoding: string): Promise<Proved> {
  const text = (encoding === 'br' ? await unpack(bytes) : bytes).toString('utf8');
  const page = feedPageSchema.parse(JSON.parse(text));
  let end = cursor;
  for (const record of page.records) {
    if (record.number !== end.number + 1 || feedHash(end.hash, record) !== record.hash)
      throw new Error(`${page.scope} ${record.number}: the chain does not lead there`);
    end = { number: record.number, hash: record.hash };
  }
  return { end, newest: page.newest };
}

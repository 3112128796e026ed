import { generateKeyPairSync } from 'node:crypto';
import { Agent } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { enrolAnswerSchema, nonceAnswerSchema, tokenAnswerSchema } from '@branchline/replication/box-protocol.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { pushAnswerSchema, type PushAnswer } from '@branchline/replication/push.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import axios, { type AxiosInstance } from 'axios';
import type { z } from 'zod';
import { accepted } from '../../chain/json-client.js';
import type { JournalBox } from './branch-journal.js';

const brotli = promisify(brotliCompress);
/** As the edge's replicator does it. */
const AS_THE_EDGE_DOES = { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } };
const PUSH_MS_MAX = 120_000;

export function compressed(push: Buffer): Promise<Buffer> {
  return brotli(push, AS_THE_EDGE_DOES);
}

/** A box of a branch, enrolled: one connection, one push in flight. */
export class PushingBox {
  private token = '';

  private constructor(
    private readonly http: AxiosInstance,
    private readonly agent: Agent,
    readonly journalBox: JournalBox,
  ) {}

  static async enrol(hubUrl: string, code: string): Promise<PushingBox> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const http = axios.create({
      baseURL: hubUrl,
      httpAgent: agent,
      timeout: PUSH_MS_MAX,
      proxy: false,
      maxBodyLength: Infinity,
      validateStatus: () => true,
    });
    const signing = generateKeyPairSync('ed25519').privateKey;
    const signingKey = rawPublicKey(signing);
    const sealingKey = rawPublicKey(generateKeyPairSync('x25519').privateKey);
    const enrolled = await ask(http, '/sync/v1/enrol', { code, signingKey, sealingKey }, enrolAnswerSchema);
    const { tenant, branch, branchCode, box, epoch } = enrolled;
    const journalBox = { tenant, branch, branchCode, box, epoch, signing, signingKey, sealingKey };
    return new PushingBox(http, agent, journalBox);
  }

  /** A service token lives ten minutes: a fresh one for each round. */
  async prove(): Promise<void> {
    const { box, signing } = this.journalBox;
    const { nonce } = await ask(this.http, '/sync/v1/token', { box }, nonceAnswerSchema);
    const proof = { box, nonce, signature: signTokenProof(box, nonce, signing) };
    this.token = (await ask(this.http, '/sync/v1/token', proof, tokenAnswerSchema)).token;
  }

  /** Of the moment; good for ten minutes after `prove`. */
  get bearer(): string {
    return this.token;
  }

  /** @param body packed, as `compressed` makes it */
  push(body: Buffer): Promise<PushAnswer> {
    const headers = {
      'content-type': PACKED_PUSH_MEDIA_TYPE,
      'content-encoding': 'br',
      authorization: `Bearer ${this.token}`,
    };
    return ask(this.http, '/sync/v1/push', body, pushAnswerSchema, headers);
  }

  close(): void {
    this.agent.destroy();
  }
}

async function ask<S extends z.ZodType>(
  http: AxiosInstance,
  path: string,
  body: unknown,
  schema: S,
  headers: Record<string, string> = {},
): Promise<z.output<S>> {
  const answer = await http.post<unknown>(path, body, { headers });
  return accepted(`POST ${path}`, { status: answer.status, body: answer.data, replayed: false }, schema);
}

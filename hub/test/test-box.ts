import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import type { EnrolAnswer } from '@branchline/replication/box-protocol.js';
import { LinePacker } from '@branchline/replication/packed/pack-lines.js';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { PUSH_MEDIA_TYPE, type PushAnswer } from '@branchline/replication/push.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { JournalBuilder, newBoxKeys, type BoxKeys, type BoxOfJournal } from './journal-builder.js';

const compress = promisify(brotliCompress);

/** What the hub may answer to a push: the acknowledgement, or a problem with its own side of it. */
export type PushReply = Partial<PushAnswer> & { code?: string; hash?: string | null };

type PushOptions = { encoding?: string; mediaType?: string; token?: string; url?: string };

/** The same header and, of what comes after it, the whole lines packed. */
export function packedOf(body: Buffer): Buffer {
  const [header = '', ...lines] = body.toString('utf8').split('\n').slice(0, -1);
  const packer = new LinePacker();
  for (const line of lines) if (!packer.add(Buffer.from(line))) throw new Error(`not to be packed: ${line}`);
  return Buffer.concat([Buffer.from(`${header}\n`), packer.finish()]);
}

/** A box without an edge: enrols, proves itself and pushes what a spec has written. */
export class TestBox implements BoxOfJournal {
  private constructor(
    private readonly url: string,
    readonly keys: BoxKeys,
    readonly enrolled: EnrolAnswer,
    readonly token: string,
  ) {}

  get tenant(): string {
    return this.enrolled.tenant;
  }
  get branch(): string {
    return this.enrolled.branch;
  }
  get branchCode(): string {
    return this.enrolled.branchCode;
  }
  get box(): string {
    return this.enrolled.box;
  }
  get epoch(): number {
    return this.enrolled.epoch;
  }

  /** @param api of somebody who may enrol boxes */
  static async enrol(url: string, api: AxiosInstance, branchCode: string): Promise<TestBox> {
    const code = await api.post<{ code: string }>(`/v1/branches/${branchCode}/enrolment-codes`, { for: 'box' });
    const keys = newBoxKeys();
    const request = { code: code.data.code, signingKey: keys.signingKey, sealingKey: keys.sealingKey };
    const enrolled = await apiAtSync(url).post<EnrolAnswer>('/sync/v1/enrol', request);
    if (enrolled.status !== 200) throw new Error(`enrol: ${enrolled.status} ${JSON.stringify(enrolled.data)}`);
    return new TestBox(url, keys, enrolled.data, await tokenOf(url, enrolled.data.box, keys));
  }

  newJournal(options: ConstructorParameters<typeof JournalBuilder>[1] = {}): JournalBuilder {
    return new JournalBuilder(this, options);
  }

  /** Compressed as a box does it, unless `encoding` says that the bytes are ready. */
  async push(
    body: Buffer,
    { encoding, mediaType = PUSH_MEDIA_TYPE, token = this.token, url = this.url }: PushOptions = {},
  ): Promise<AxiosResponse<PushReply>> {
    const headers = {
      'content-type': mediaType,
      'content-encoding': encoding ?? 'br',
      authorization: `Bearer ${token}`,
    };
    const bytes = encoding === undefined ? await compress(body) : body;
    return apiAtSync(url).post<PushReply>('/sync/v1/push', bytes, { headers });
  }

  /** @param body NDJSON; what it says goes packed */
  pushPacked(body: Buffer, options: PushOptions = {}): Promise<AxiosResponse<PushReply>> {
    return this.push(packedOf(body), { mediaType: PACKED_PUSH_MEDIA_TYPE, ...options });
  }

  /** Sends a whole push and closes the connection before the answer can come. */
  async pushAndHangUp(body: Buffer, afterMs: number): Promise<void> {
    const { hostname, port } = new URL(this.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const head = `POST /sync/v1/push HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${this.token}\r\nContent-Type: application/x-ndjson\r\n`;
    await new Promise<void>((resolve) =>
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`, () => socket.write(body, () => resolve())),
    );
    await pause(afterMs);
    socket.destroy();
  }

  hello(request: Record<string, unknown> = {}, url = this.url): Promise<AxiosResponse> {
    const body = {
      protocol: 1,
      version: '0.1.0',
      contract: 1,
      incarnations: [],
      hashesAt: [],
      cursors: [],
      ...request,
    };
    return apiAtSync(url).post('/sync/v1/hello', body, { headers: { authorization: `Bearer ${this.token}` } });
  }

  feed(scope: string, headers: Record<string, string> = {}): Promise<AxiosResponse> {
    return apiAtSync(this.url).get(`/sync/v1/feed/${scope}`, {
      headers: { ...headers, authorization: `Bearer ${this.token}` },
    });
  }
}

export async function tokenOf(url: string, box: string, keys: BoxKeys): Promise<string> {
  const api = apiAtSync(url);
  const { data } = await api.post<{ nonce: string }>('/sync/v1/token', { box });
  const signature = signTokenProof(box, data.nonce, keys.signing);
  const answer = await api.post<{ token: string }>('/sync/v1/token', { box, nonce: data.nonce, signature });
  if (answer.status !== 200) throw new Error(`token: ${answer.status} ${JSON.stringify(answer.data)}`);
  return answer.data.token;
}

export function apiAtSync(url: string): AxiosInstance {
  return axios.create({ baseURL: url, validateStatus: () => true, proxy: false, maxBodyLength: Infinity });
}

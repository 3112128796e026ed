import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { POLL_MS_HEADER } from '@branchline/replication/box-protocol.js';
import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { NUDGES_MEDIA_TYPE } from '@branchline/replication/nudge.js';
import { PROTOCOL_HEADER } from '@branchline/replication/protocol.js';
import { PUSH_BODY_BYTES_MAX, PUSH_DECOMPRESSED_BYTES_MAX } from '@branchline/replication/push.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { AxiosInstance, AxiosRequestConfig, AxiosResponse } from 'axios';
import type { z } from 'zod';
import { LineFailure, refusalOf, type Refusal } from './hub-failure.js';
import type { Speech } from './speech.js';

export type LineOptions = {
  hubUrl: string;
  /** Longest silence in either direction. A slow line that still moves is left alone. */
  requestTimeoutMs: number;
  /** How often the hub is asked when nothing is new; absent where there is no such rhythm yet. */
  pollMs?: number;
  /** In which protocol. */
  speech: Speech;
  clock: Clock;
  /** Ends every request at once: the edge stops. */
  signal: AbortSignal;
};

export type LineRequest = {
  method: 'GET' | 'POST';
  path: string;
  /** An object goes as JSON. */
  body?: Buffer | object;
  headers?: Readonly<Record<string, string>>;
};

/** A connection that is not there within this will not come: TCP would go on trying for minutes. */
const CONNECT_MS_MAX = 10_000;
/** Whatever moves, an answer is due within this. */
const REQUEST_MS_MAX = 900_000;

/** Of a refusal on a connection that is listened to; problems are a few hundred bytes. */
const REFUSAL_PIECES_MAX = 16;

export type ListenRequest = Pick<LineRequest, 'path' | 'headers'>;
export type Listener = { silentMsMax: number; onOpen(): void; onPiece(piece: Buffer): void };

class Silence extends Error {}

/** Told of a good answer first, and then of all that comes. */
export type StreamTaker = {
  onHead(answer: Pick<AxiosResponse, 'status' | 'headers'>): void | Promise<void>;
  onPiece(piece: Buffer): void | Promise<void>;
};

type NodeRequest = typeof http.request;

/**
 * HTTP to the hub: keep-alive, no redirects (a captive portal is not the hub), certificates verified, limits on what is
 * sent and taken. Counts the bytes of its sockets.
 */
export class HubLine {
  private axios: Promise<AxiosInstance> | null = null;
  private readonly agents = [
    new http.Agent({ keepAlive: true, maxSockets: 4 }),
    new https.Agent({ keepAlive: true, maxSockets: 4 }),
  ] as const;
  bytesUp = 0;
  bytesDown = 0;

  constructor(private readonly options: LineOptions) {}

  get speech(): Speech {
    return this.options.speech;
  }

  /** @throws LineFailure, or Refusal for any status but 2xx */
  async ask<S extends z.ZodType>(request: LineRequest, schema: S): Promise<z.output<S>> {
    const parsed = schema.safeParse(jsonOf(await this.askBytes(request)));
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new LineFailure(
        `${request.path}: the answer is not what was agreed (${issue?.path.join('.')}: ${issue?.message})`,
      );
    }
    return parsed.data;
  }

  /** @throws LineFailure, or Refusal for any status but 2xx */
  async askBytes(request: LineRequest): Promise<Buffer> {
    const response = await this.exchange(request);
    if (!isSuccess(response.status)) throw this.refusalOf(response, response.data);
    return response.data;
  }

  /**
   * An answer without an end, piece by piece, until the hub ends it. On a connection of its own: it would take one of the
   * few that pushes and pulls share.
   *
   * @throws LineFailure, also when nothing came for `silentMsMax`; Refusal for any status but 2xx
   */
  async listen({ path, headers }: ListenRequest, { silentMsMax, onOpen, onPiece }: Listener): Promise<void> {
    const agents = { httpAgent: new http.Agent(), httpsAgent: new https.Agent() };
    const accepted = { 'accept-encoding': 'identity', accept: NUDGES_MEDIA_TYPE, ...headers };
    await this.stream(path, { ...agents, headers: accepted }, silentMsMax, {
      onHead({ headers: answered }) {
        const mediaType = String(answered['content-type']);
        if (!mediaType.startsWith(NUDGES_MEDIA_TYPE))
          throw new LineFailure(`${path}: the answer is ${mediaType}, not what was agreed`);
        onOpen();
      },
      onPiece,
    });
  }

  /**
   * A file of any length, as it is encoded, piece by piece; the next is read when the last one was taken.
   * @throws LineFailure, Refusal for any status but 2xx
   */
  download({ path, headers }: ListenRequest, taker: StreamTaker): Promise<void> {
    const options = { decompress: false, headers: { accept: '*/*', ...headers } };
    return this.stream(path, options, this.options.requestTimeoutMs, taker);
  }

  private async stream(
    path: string,
    options: AxiosRequestConfig,
    silentMsMax: number,
    { onHead, onPiece }: StreamTaker,
  ): Promise<void> {
    let response: AxiosResponse<Readable>;
    try {
      const { signal, speech } = this.options;
      const headers = { ...options.headers, [PROTOCOL_HEADER]: String(speech.protocol) };
      // With a limit of length axios reads ahead in a generator of its own, which a stream that is silent cannot be taken from.
      const common = { responseType: 'stream', maxContentLength: -1, signal } as const;
      response = await (await this.http()).get(path, { ...options, ...common, headers });
    } catch (error) {
      throw failureOf(path, error);
    }
    const { status, data } = response;
    const silence = new Silence(`nothing came for ${silentMsMax} ms`);
    const timer = setTimeout(() => data.destroy(silence), silentMsMax);
    const refused: Buffer[] = [];
    try {
      if (isSuccess(status)) await onHead(response);
      for await (const piece of data as AsyncIterable<Buffer>) {
        timer.refresh();
        if (isSuccess(status)) await onPiece(piece);
        else if (refused.push(piece) > REFUSAL_PIECES_MAX) break;
      }
    } catch (error) {
      throw failureOf(path, error);
    } finally {
      clearTimeout(timer);
      data.destroy();
    }
    if (!isSuccess(status)) throw this.refusalOf(response, Buffer.concat(refused));
  }

  close(): void {
    for (const agent of this.agents) agent.destroy();
  }

  /** Loaded with the first request: a store trades without its hub, and need not wait for a hundred files to. */
  private http(): Promise<AxiosInstance> {
    this.axios ??= import('axios').then(({ default: axios }) => axios.create(this.defaults()));
    return this.axios;
  }

  private defaults(): AxiosRequestConfig {
    const { hubUrl, requestTimeoutMs, pollMs } = this.options;
    return {
      baseURL: hubUrl,
      // With a transport of its own axios sets this on the socket alone: silence, not duration.
      timeout: requestTimeoutMs,
      transport: { request: this.requestOf(hubUrl) },
      httpAgent: this.agents[0],
      httpsAgent: this.agents[1],
      proxy: false,
      maxRedirects: 0,
      maxBodyLength: PUSH_BODY_BYTES_MAX,
      maxContentLength: PUSH_DECOMPRESSED_BYTES_MAX + LINE_BYTES_MAX,
      responseType: 'arraybuffer',
      validateStatus: () => true,
      transformResponse: [],
      headers: {
        'accept-encoding': 'br, gzip',
        accept: 'application/json',
        ...(pollMs !== undefined && { [POLL_MS_HEADER]: pollMs }),
      },
    };
  }

  private async exchange({ method, path, body, headers: own }: LineRequest): Promise<AxiosResponse<Buffer>> {
    const headers = { ...own, [PROTOCOL_HEADER]: String(this.options.speech.protocol) };
    const signal = AbortSignal.any([this.options.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
    try {
      return await (await this.http()).request<Buffer>({ method, url: path, data: body, headers, signal });
    } catch (error) {
      throw failureOf(path, error);
    }
  }

  private refusalOf({ status, headers }: Pick<AxiosResponse, 'status' | 'headers'>, body: Buffer): Refusal {
    const retryAfter: unknown = headers['retry-after'];
    const known = typeof retryAfter === 'string' ? retryAfter : undefined;
    return refusalOf({ status, retryAfter: known, body }, this.options.clock.now());
  }

  /** Node's own request, with a limit for connecting and a count of what went over the socket. */
  private requestOf(hubUrl: string): NodeRequest {
    const native: NodeRequest = hubUrl.startsWith('https:') ? https.request : http.request;
    const counted = (...parameters: Parameters<NodeRequest>): http.ClientRequest => {
      const request = native(...parameters);
      request.once('socket', (socket) => {
        const before = { up: socket.bytesWritten, down: socket.bytesRead };
        request.once('close', () => {
          this.bytesUp += socket.bytesWritten - before.up;
          this.bytesDown += socket.bytesRead - before.down;
        });
        if (!socket.connecting) return;
        const failure = new Error(`no connection within ${CONNECT_MS_MAX} ms`);
        const timer = setTimeout(
          () => request.destroy(failure),
          Math.min(CONNECT_MS_MAX, this.options.requestTimeoutMs),
        );
        const settled = (): void => clearTimeout(timer);
        socket.once('connect', settled);
        request.once('close', settled);
      });
      return request;
    };
    return counted as NodeRequest;
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** What the stack or the socket said is a failure of the line; whatever else was thrown is a bug and goes on. */
function failureOf(path: string, error: unknown): unknown {
  // By its kind, not its class: what a stream says may be of another realm.
  if (!(error instanceof Error) && !isNativeError(error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const isOfAxios = 'isAxiosError' in error && error.isAxiosError === true;
  if (!isOfAxios && code === undefined && !(error instanceof Silence)) return error;
  return new LineFailure(`${path}: ${code ?? 'no answer'}: ${error.message}`, { cause: error });
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

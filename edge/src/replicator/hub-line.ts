import http from 'node:http';
import https from 'node:https';
import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { PUSH_BODY_BYTES_MAX, PUSH_DECOMPRESSED_BYTES_MAX } from '@branchline/replication/push.js';
import type { Clock } from '@branchline/domain/clock.js';
import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import type { z } from 'zod';
import { LineFailure, refusalOf } from './hub-failure.js';

export type LineOptions = {
  hubUrl: string;
  /** Longest silence in either direction. A slow line that still moves is left alone. */
  requestTimeoutMs: number;
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

type NodeRequest = typeof http.request;

/**
 * HTTP to the hub: keep-alive, no redirects (a captive portal is not the hub), certificates verified, limits on what is
 * sent and taken. Counts the bytes of its sockets.
 */
export class HubLine {
  private readonly http: AxiosInstance;
  private readonly agents = [
    new http.Agent({ keepAlive: true, maxSockets: 4 }),
    new https.Agent({ keepAlive: true, maxSockets: 4 }),
  ] as const;
  bytesUp = 0;
  bytesDown = 0;

  constructor(private readonly options: LineOptions) {
    this.http = axios.create({
      baseURL: options.hubUrl,
      // With a transport of its own axios sets this on the socket alone: silence, not duration.
      timeout: options.requestTimeoutMs,
      transport: { request: this.requestOf(options.hubUrl) },
      httpAgent: this.agents[0],
      httpsAgent: this.agents[1],
      proxy: false,
      maxRedirects: 0,
      maxBodyLength: PUSH_BODY_BYTES_MAX,
      maxContentLength: PUSH_DECOMPRESSED_BYTES_MAX + LINE_BYTES_MAX,
      responseType: 'arraybuffer',
      validateStatus: () => true,
      transformResponse: [],
      headers: { 'accept-encoding': 'br, gzip', accept: 'application/json' },
    });
  }

  /** @throws LineFailure, or Refusal for any status but 2xx */
  async ask<S extends z.ZodType>(request: LineRequest, schema: S): Promise<z.output<S>> {
    const response = await this.exchange(request);
    const { status, data } = response;
    if (status < 200 || status > 299) {
      const retryAfter = response.headers['retry-after'];
      const known = typeof retryAfter === 'string' ? retryAfter : undefined;
      throw refusalOf({ status, retryAfter: known, body: data }, this.options.clock.now());
    }
    const parsed = schema.safeParse(jsonOf(data));
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new LineFailure(
        `${request.path}: the answer is not what was agreed (${issue?.path.join('.')}: ${issue?.message})`,
      );
    }
    return parsed.data;
  }

  close(): void {
    for (const agent of this.agents) agent.destroy();
  }

  private async exchange({ method, path, body, headers }: LineRequest): Promise<AxiosResponse<Buffer>> {
    const signal = AbortSignal.any([this.options.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
    try {
      return await this.http.request<Buffer>({ method, url: path, data: body, headers, signal });
    } catch (error) {
      if (!axios.isAxiosError(error)) throw error;
      throw new LineFailure(`${path}: ${error.code ?? 'no answer'}: ${error.message}`, { cause: error });
    }
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

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

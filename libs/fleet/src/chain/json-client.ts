import { Agent } from 'node:http';
import axios, { type AxiosInstance, isAxiosError } from 'axios';
import { z } from 'zod';

export interface Ask {
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  token?: string | null;
  /** The last line of the journal that a till was told: it is a witness of it. */
  seen?: string | null;
  /** Of a body that is not JSON. */
  contentType?: string;
}

export interface Answer {
  status: number;
  body: unknown;
  /** The stored answer of an earlier, equal request. */
  replayed: boolean;
}

/** The server has answered, and the answer is no. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(
    what: string,
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(`${what}: ${status} ${code}: ${detail}`);
  }
}

/** Nobody knows whether the request arrived: only asking again with the same id can tell. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

const problemSchema = z.looseObject({ code: z.string(), detail: z.string().optional(), title: z.string().optional() });

const TIMEOUT_MS = 30_000;
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** JSON over a few kept-alive connections to one server. */
export class JsonClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 4 });
  private readonly http: AxiosInstance;

  constructor(
    readonly url: string,
    private readonly signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ) {
    this.http = axios.create({
      baseURL: url,
      httpAgent: this.agent,
      timeout: timeoutMs,
      maxRedirects: 0,
      maxBodyLength: BODY_BYTES_MAX,
      maxContentLength: BODY_BYTES_MAX,
      // 127.0.0.1 is not to be asked of anybody's proxy.
      proxy: false,
      validateStatus: () => true,
    });
  }

  /** Any status is an answer. @throws NoAnswer; or the signal's reason */
  async ask({ method, path, body, token, seen, contentType }: Ask): Promise<Answer> {
    this.signal.throwIfAborted();
    const headers = {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(seen && { 'branchline-seen': seen }),
      ...(body !== undefined && { 'content-type': contentType ?? 'application/json' }),
    };
    try {
      const {
        status,
        data,
        headers: sent,
      } = await this.http.request<unknown>({
        method,
        url: path,
        data: body,
        headers,
        signal: this.signal,
      });
      return { status, body: data, replayed: sent['idempotent-replay'] === 'true' };
    } catch (error) {
      this.signal.throwIfAborted();
      if (!isAxiosError(error)) throw error;
      throw new NoAnswer(`${method} ${path}: ${error.code ?? error.message}`, { cause: error });
    }
  }

  close(): void {
    this.agent.destroy();
  }
}

/** The body of a good answer in the shape expected. @throws Refused */
export function accepted<S extends z.ZodType>(what: string, { status, body }: Answer, schema: S): z.output<S> {
  if (status < 200 || status >= 300) throw refusal(what, status, body);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`${what}: an answer of another shape: ${issue?.path.join('.')} ${issue?.message}`);
}

function refusal(what: string, status: number, body: unknown): Refused {
  const told = problemSchema.safeParse(body);
  if (!told.success) return new Refused(what, status, 'no-problem', 'an answer that is no problem+json');
  return new Refused(what, status, told.data.code, told.data.detail ?? told.data.title ?? '');
}

import type { Clock } from '@branchline/domain/clock.js';
import {
  helloAnswerSchema,
  nonceAnswerSchema,
  tokenAnswerSchema,
  type Cursor,
  type HelloAnswer,
  type HelloRequest,
} from '@branchline/replication/box-protocol.js';
import { feedPageSchema, type FeedPage } from '@branchline/replication/feed.js';
import { NUDGES_PATH } from '@branchline/replication/nudge.js';
import {
  hubSealingKeySchema,
  PERSON_KEYS_PATH,
  PERSON_KEYS_WANTED_PATH,
  personKeysGivenSchema,
  personKeysTakenSchema,
  type PersonKeysGiven,
} from '@branchline/replication/person-keys.js';
import { PUSH_MEDIA_TYPE, pushAnswerSchema, type PushAnswer } from '@branchline/replication/push.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import {
  verifyKeysSchema,
  verifyNotedSchema,
  verifyRecordsSchema,
  verifySumsSchema,
  type EdgeProof,
  type VerifyKeys,
  type VerifyRecords,
  type VerifyRequest,
  type VerifySums,
} from '@branchline/replication/verify-protocol.js';
import { SNAPSHOT_HEADER, snapshotFactsSchema, type SnapshotFacts } from '@branchline/replication/snapshot.js';
import { z } from 'zod';
import type { BoxIdentity } from '../store/box.js';
import { LineFailure, Refusal } from './hub-failure.js';
import type { HubLine, LineRequest, Listener, StreamTaker } from './hub-line.js';
import type { ReadyPush } from './push-batch.js';
import { spokenOf, type Speech } from './speech.js';

/** Renewed this long before it ends, so that no push starts with a token that dies under way. */
const TOKEN_RENEW_MS = 60_000;

type FeedPosition = Pick<Cursor, 'scope' | 'number' | 'hash'>;

/** What the answer says of a snapshot. `length`: of the whole file as it is encoded, of which a part may come. */
export type SnapshotHead = {
  status: number;
  etag: string;
  encoding: 'br' | 'identity';
  length: number;
  facts: SnapshotFacts;
};

export type SnapshotTaker = Pick<StreamTaker, 'onPiece'> & { onHead(head: SnapshotHead): Promise<void> };

const snapshotHeaders = z.object({
  etag: z.string().min(1),
  'content-encoding': z.enum(['br', 'identity']).default('identity'),
  'content-length': z.string().regex(/^\d{1,15}$/),
  'content-range': z
    .string()
    .regex(/^bytes \d{1,15}-\d{1,15}\/\d{1,15}$/)
    .optional(),
  [SNAPSHOT_HEADER]: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(snapshotFactsSchema),
});

/** @throws LineFailure for what no hub says of a snapshot */
function snapshotHead(path: string, { status, headers }: Parameters<StreamTaker['onHead']>[0]): SnapshotHead {
  let said: z.infer<typeof snapshotHeaders>;
  try {
    said = snapshotHeaders.parse({ ...headers });
  } catch (error) {
    throw new LineFailure(`${path}: the answer is not what was agreed`, { cause: error });
  }
  const {
    etag,
    'content-encoding': encoding,
    'content-length': whole,
    'content-range': range,
    [SNAPSHOT_HEADER]: facts,
  } = said;
  return { status, etag, encoding, length: Number(range?.split('/')[1] ?? whole), facts };
}

/** The hub as this box may ask it: every request bears the box's service token, got by proof of its key. */
export class HubClient {
  /** Told of each thing that the hub wants of this box. */
  onDirective: (kind: string) => void = () => undefined;
  private token: { text: string; renewAtMs: number } | null = null;
  private renewal: Promise<string> | null = null;

  constructor(
    readonly line: HubLine,
    private readonly box: Pick<BoxIdentity, 'box' | 'signingKey'>,
    private readonly clock: Clock,
  ) {}

  get speech(): Speech {
    return this.line.speech;
  }

  async hello(request: HelloRequest): Promise<HelloAnswer> {
    const answer = await this.withToken((authorization) => {
      const body = { ...request, protocol: this.speech.protocol };
      return this.line.ask(
        { method: 'POST', path: '/sync/v1/hello', body, headers: { authorization } },
        helloAnswerSchema,
      );
    });
    this.speech.heard(spokenOf(answer));
    for (const { kind } of answer.directives ?? []) this.onDirective(kind);
    return answer;
  }

  push({ mediaType, compressed }: ReadyPush): Promise<PushAnswer> {
    const headers = { 'content-type': mediaType, 'content-encoding': 'br' };
    return this.ask({ method: 'POST', path: '/sync/v1/push', body: compressed, headers }, pushAnswerSchema);
  }

  /** The bytes of a push (`libs/replication/push.ts`): to be proved by whoever takes it. */
  lines({ incarnation, fromSeq }: { incarnation: string; fromSeq: number }): Promise<Buffer> {
    const path = `/sync/v1/lines?incarnation=${incarnation}&from=${fromSeq}`;
    const headers = { accept: PUSH_MEDIA_TYPE };
    return this.withToken((authorization) =>
      this.line.askBytes({ method: 'GET', path, headers: { ...headers, authorization } }),
    );
  }

  feed({ scope, number, hash }: FeedPosition): Promise<FeedPage> {
    const path = `/sync/v1/feed/${encodeURIComponent(scope)}?after=${number}&hash=${hash}`;
    return this.ask({ method: 'GET', path }, feedPageSchema);
  }

  verifySums(of: FeedPosition): Promise<VerifySums> {
    return this.verify({ part: 'sums', ...of }, verifySumsSchema);
  }

  verifyKeys(of: FeedPosition & { kind: string; buckets: number[] }): Promise<VerifyKeys> {
    return this.verify({ part: 'keys', ...of }, verifyKeysSchema);
  }

  verifyRecords(of: FeedPosition & { kind: string; keys: string[] }): Promise<VerifyRecords> {
    return this.verify({ part: 'records', ...of }, verifyRecordsSchema);
  }

  /** What this box has found out about itself. */
  async tellProof(proof: EdgeProof): Promise<void> {
    await this.verify({ part: 'proof', proof }, verifyNotedSchema);
  }

  private verify<S extends z.ZodType>(body: VerifyRequest, schema: S): Promise<z.output<S>> {
    return this.ask({ method: 'POST', path: '/sync/v1/verify', body }, schema);
  }

  hubSealingKey(): Promise<z.output<typeof hubSealingKeySchema>> {
    return this.ask({ method: 'GET', path: PERSON_KEYS_PATH }, hubSealingKeySchema);
  }

  offerPersonKeys(sealed: string): Promise<z.output<typeof personKeysTakenSchema>> {
    return this.ask({ method: 'POST', path: PERSON_KEYS_PATH, body: { sealed } }, personKeysTakenSchema);
  }

  wantPersonKeys(persons: readonly string[]): Promise<PersonKeysGiven> {
    return this.ask({ method: 'POST', path: PERSON_KEYS_WANTED_PATH, body: { persons } }, personKeysGivenSchema);
  }

  /** @param headers `range` and `if-range` of what is here already */
  snapshot(scope: string, headers: Readonly<Record<string, string>>, taker: SnapshotTaker): Promise<void> {
    const path = `/sync/v1/snapshot/${encodeURIComponent(scope)}`;
    return this.withToken((authorization) =>
      this.line.download(
        { path, headers: { ...headers, authorization, 'accept-encoding': 'br' } },
        { onHead: (answer) => taker.onHead(snapshotHead(path, answer)), onPiece: (piece) => taker.onPiece(piece) },
      ),
    );
  }

  /** When the token that is used now is to be renewed; 0 without one. */
  get tokenDueAtMs(): number {
    return this.token?.renewAtMs ?? 0;
  }

  /** Until the hub ends it: at the latest when the token expires by which it was opened. */
  nudges(listener: Listener): Promise<void> {
    return this.withToken((authorization) =>
      this.line.listen({ path: NUDGES_PATH, headers: { authorization } }, listener),
    );
  }

  private ask<S extends z.ZodType>(request: LineRequest, schema: S): Promise<z.output<S>> {
    return this.withToken((authorization) =>
      this.line.ask({ ...request, headers: { ...request.headers, authorization } }, schema),
    );
  }

  /** @throws NoCommonProtocol, and what `request` throws */
  private withToken<T>(request: (authorization: string) => Promise<T>): Promise<T> {
    return this.speech.ask(() => this.withValidToken(request));
  }

  /** A token the hub no longer takes (it was restored, its key changed) is renewed, once. */
  private async withValidToken<T>(request: (authorization: string) => Promise<T>): Promise<T> {
    const token = await this.validToken();
    try {
      return await request(`Bearer ${token}`);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 401) throw error;
      if (this.token?.text === token) this.token = null;
      return request(`Bearer ${await this.validToken()}`);
    }
  }

  private async validToken(): Promise<string> {
    if (this.token !== null && this.clock.now() < this.token.renewAtMs) return this.token.text;
    this.renewal ??= this.renew().finally(() => (this.renewal = null));
    return this.renewal;
  }

  private async renew(): Promise<string> {
    const { box, signingKey } = this.box;
    const request = { method: 'POST', path: '/sync/v1/token' } as const;
    const { nonce } = await this.line.ask({ ...request, body: { box } }, nonceAnswerSchema);
    const signature = signTokenProof(box, nonce, signingKey);
    const { token, expiresInS } = await this.line.ask(
      { ...request, body: { box, nonce, signature } },
      tokenAnswerSchema,
    );
    const lifeMs = expiresInS * 1000;
    this.token = { text: token, renewAtMs: this.clock.now() + lifeMs - Math.min(TOKEN_RENEW_MS, lifeMs / 2) };
    return token;
  }
}

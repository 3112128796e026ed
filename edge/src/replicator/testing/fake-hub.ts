import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync } from 'node:zlib';
import type { EnrolAnswer, HelloAnswer, HelloRequest, History } from '@branchline/replication/box-protocol.js';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { bodyHashOf, feedHash, type FeedPage, type FeedRecord } from '@branchline/replication/feed.js';
import { headIsSigned, rawPublicKey, signHead } from '@branchline/replication/head-signature.js';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import { NUDGES_MEDIA_TYPE, NUDGES_PATH, NUDGE_BEAT, encodeNudge } from '@branchline/replication/nudge.js';
import { PACKED_PUSH_MEDIA_TYPE, PackedPush } from '@branchline/replication/packed/packed-push.js';
import { PROTOCOL_HEADER, protocolSaid, SPOKEN, speaks, type ProtocolRange } from '@branchline/replication/protocol.js';
import {
  decodePush,
  encodePush,
  type PushAnswer,
  type PushHeader,
  type ReceivedPush,
} from '@branchline/replication/push.js';
import { seal } from '@branchline/replication/sealing.js';
import { tokenProofHolds } from '@branchline/replication/token-proof.js';
import type { BoxIdentity } from '../../store/box.js';
import { CERTIFYING_KEY } from '../../store/testing/store-fixture.js';

/** `signatures`: of the heads that pushes led to, by seq. */
type Stream = {
  hashes: string[];
  lines: JournalLine[];
  bytes: Buffer[];
  signatures: Map<number, string>;
  box: BoxIdentity;
};
type Reply = { status: number; body: unknown; headers?: Record<string, string> };
type Received = {
  route: string;
  body: Buffer;
  token: string | undefined;
  mediaType: string | undefined;
  protocol: number | null;
};
export type Published = Pick<FeedRecord, 'kind' | 'key' | 'version' | 'body'> &
  Partial<Pick<FeedRecord, 'release' | 'deleted' | 'contract'>>;

const refuse = (status: number, code: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  body: { type: 'about:blank', title: code, status, code, detail: code, ...more },
});

/**
 * Stands in for the hub where a spec is about the line or about answers a real hub seldom gives. It keeps chains, proofs
 * and numbers by the same rules (`libs/replication`), in memory, over real HTTP.
 */
export class FakeHub {
  hubEpoch: string = randomUUID();
  /** What each hello showed of the answer before it. */
  readonly memories: (string | null)[] = [];
  scopes: string[] = ['tenant'];
  readonly streams = new Map<string, Stream>();
  readonly feeds = new Map<string, FeedRecord[]>();
  readonly requests: string[] = [];
  linesReceived = 0;
  pageRecordsMax = 1_000;
  pageLinesMax = 1_000;
  epoch = 0;
  tokenLifeS = 600;
  /** In the place of another hub: what this one speaks. */
  speaks: ProtocolRange = SPOKEN;
  /** Of pushes that were taken. */
  readonly protocolsPushed: number[] = [];
  /** Looked at before the request is served; what it returns is the answer, nothing else happens. */
  intercept: (request: Received) => Reply | null = () => null;
  /** Looked at after it was served: the answer may be bent. */
  bend: (request: Received, reply: Reply) => Reply = (_request, reply) => reply;
  readonly nudgeStreams = new Set<ServerResponse>();
  private tokens = new Map<string, BoxIdentity>();
  /** By a spec: which lines cannot be projected. */
  setsAside: (line: JournalLine) => { code: string; detail: string } | null = () => null;
  /** Bent by a spec: what hello says of a history. */
  bendHistory: (history: History) => History = (history) => history;

  private constructor(
    private readonly server: Server,
    /** Of the branch; the first is the one whose name is given at enrolment. */
    readonly boxes: BoxIdentity[],
  ) {}

  static async start(box: BoxIdentity): Promise<FakeHub> {
    const server = createServer();
    const hub = new FakeHub(server, [box]);
    server.on('request', (request, response) => void hub.answer(request, response));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return hub;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  linesOf(incarnation: string): JournalLine[] {
    return this.streams.get(incarnation)?.lines ?? [];
  }

  headOf(incarnation: string): { seq: number; hash: string } {
    const { hashes } = this.streams.get(incarnation) ?? { hashes: [] };
    return { seq: hashes.length, hash: hashes.at(-1) ?? GENESIS_HASH.toString('hex') };
  }

  /** As after a restore from a backup taken at `seq`. */
  forgetLinesAfter(incarnation: string, seq: number): void {
    const stream = this.streams.get(incarnation);
    stream?.hashes.splice(seq);
    stream?.lines.splice(seq);
    stream?.bytes.splice(seq);
    // As a backup that was taken right after the push that ended there.
    if (stream && seq > 0) this.signHead(incarnation, stream);
  }

  /** Another line in the place of one, and a chain that holds: all that can be done without the box's key. */
  forge(incarnation: string, seq: number, change: (line: string) => string | Uint8Array): void {
    const stream = this.streams.get(incarnation) as Stream;
    for (let at = seq - 1; at < stream.bytes.length; at += 1) {
      const bytes = stream.bytes[at] as Buffer;
      if (at === seq - 1) stream.bytes[at] = Buffer.from(change(bytes.toString()) as Uint8Array);
      const previous = Buffer.from(String(this.hashOf(incarnation, at)), 'hex');
      stream.hashes[at] = chainHash(previous, stream.bytes[at] as Buffer).toString('hex');
    }
  }

  forgetTokens(): void {
    this.tokens.clear();
  }

  publish(scope: string, ...records: Published[]): void {
    const feed = this.feeds.get(scope) ?? [];
    this.feeds.set(scope, feed);
    for (const { release = null, deleted = false, contract = 1, ...rest } of records) {
      const previous = feed.at(-1)?.hash ?? GENESIS_HASH.toString('hex');
      const record = {
        ...rest,
        number: feed.length + 1,
        contract,
        release,
        deleted,
        bodyHash: bodyHashOf(rest.body),
      };
      feed.push({ ...record, hash: feedHash(previous, record) });
    }
  }

  nudge(text = encodeNudge('pull')): void {
    for (const stream of this.nudgeStreams) stream.write(text);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The line was cut while the request came.
    }
    const raw = Buffer.concat(chunks);
    const body = request.headers['content-encoding'] === 'br' ? brotliDecompressSync(raw) : raw;
    const route = `${request.method} ${request.url}`;
    const { authorization, 'content-type': mediaType } = request.headers;
    const protocol = protocolSaid(request.headers[PROTOCOL_HEADER]);
    const received = { route, body, mediaType, protocol, token: authorization?.slice('Bearer '.length) };
    this.requests.push(route);
    const intercepted = this.intercept(received);
    const { status, body: answer, headers } = intercepted ?? this.bend(received, this.serve(received));
    if (intercepted === null && request.url === NUDGES_PATH && status === 200) return this.openNudges(response);
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(Buffer.isBuffer(answer) ? answer : JSON.stringify(answer));
  }

  private openNudges(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': NUDGES_MEDIA_TYPE });
    response.write(NUDGE_BEAT);
    this.nudgeStreams.add(response);
    response.once('close', () => this.nudgeStreams.delete(response));
  }

  private serve({ route, body, token, mediaType, protocol }: Received): Reply {
    const [, path = ''] = route.split(' ');
    if (path !== '/sync/v1/token' && !this.isSpoken(protocol)) return this.notSpoken();
    if (path === '/sync/v1/enrol')
      return this.enrol(JSON.parse(body.toString()) as { code: string; sealingKey: string });
    if (path === '/sync/v1/token') return this.giveToken(JSON.parse(body.toString()) as Record<string, string>);
    const box = this.tokens.get(token ?? '');
    if (box === undefined) return refuse(401, 'unauthenticated');
    if (path === '/sync/v1/hello') {
      const request = JSON.parse(body.toString()) as HelloRequest;
      return this.isSpoken(request.protocol) ? { status: 200, body: this.hello(request) } : this.notSpoken();
    }
    if (path === '/sync/v1/push')
      return this.push(box, mediaType === PACKED_PUSH_MEDIA_TYPE ? unpacked(body) : decodePush(body));
    if (path.startsWith('/sync/v1/lines?')) return this.linesPage(new URL(path, 'http://hub').searchParams);
    if (path === NUDGES_PATH) return { status: 200, body: null };
    if (path.startsWith('/sync/v1/snapshot/')) return refuse(404, 'no-snapshot');
    return this.feed(new URL(path, 'http://hub'));
  }

  private isSpoken(protocol: number | null): boolean {
    return protocol !== null && speaks(this.speaks, protocol);
  }

  private notSpoken(): Reply {
    return refuse(426, 'protocol', { spoken: [this.speaks.from, this.speaks.to] });
  }

  private enrol({ code, sealingKey }: { code: string; sealingKey: string }): Reply {
    if (code !== 'GOOD-CODE') return refuse(401, 'code-invalid');
    const { tenant, branch, branchCode, box, certificate, epoch, pepper } = this.boxes[0] as BoxIdentity;
    const answer: EnrolAnswer = {
      ...{ tenant, branch, branchCode, box, certificate, epoch },
      scopes: this.scopes,
      pepper: seal(pepper, sealingKey),
    };
    return { status: 200, body: answer };
  }

  private nonces = new Set<string>();

  private giveToken({ box = '', nonce, signature = '' }: Record<string, string>): Reply {
    if (nonce === undefined) {
      const fresh = randomBytes(16).toString('base64url');
      this.nonces.add(fresh);
      return { status: 200, body: { nonce: fresh, expiresInS: 60 } };
    }
    const known = this.boxes.find((each) => each.box === box);
    const holds = known && tokenProofHolds(box, nonce, signature, rawPublicKey(known.signingKey));
    if (!this.nonces.delete(nonce) || !holds) return refuse(401, 'unauthenticated');
    const token = randomBytes(16).toString('base64url');
    this.tokens.set(token, known);
    return { status: 200, body: { token, expiresInS: this.tokenLifeS } };
  }

  private hello({ protocol, incarnations, hashesAt, cursors, memory }: HelloRequest): HelloAnswer {
    this.memories.push(memory ?? null);
    return {
      memory: `word ${this.memories.length}`,
      hubEpoch: this.hubEpoch,
      now: 1_800_000_000_000,
      protocol,
      spoken: [this.speaks.from, this.speaks.to],
      scopes: this.scopes,
      streams: incarnations
        .filter(({ incarnation }) => this.streams.has(incarnation))
        .map(({ incarnation }) => {
          const { seq, hash } = this.headOf(incarnation);
          return { incarnation, appliedSeq: seq, headHash: hash, durableSeq: 0 };
        }),
      hashes: hashesAt.map(({ incarnation, seq }) => ({ incarnation, seq, hash: this.hashOf(incarnation, seq) })),
      histories: [...this.streams.keys()].reverse().flatMap((incarnation) => this.lacked(incarnation, incarnations)),
      quarantined: incarnations.flatMap(({ incarnation, seq, appliedSeq = seq }) =>
        this.quarantinedIn(incarnation, appliedSeq + 1, seq).map((each) => ({ incarnation, ...each })),
      ),
      certifyingKey: CERTIFYING_KEY,
      epoch: this.epoch,
      cursors: cursors.map(({ scope }) => ({ scope, verdict: 'ok', newest: this.feeds.get(scope)?.length ?? 0 })),
    };
  }

  private lacked(incarnation: string, named: HelloRequest['incarnations']): History[] {
    const { seq, hash } = this.headOf(incarnation);
    if (seq <= (named.find((each) => each.incarnation === incarnation)?.seq ?? 0)) return [];
    const stream = this.streams.get(incarnation) as Stream;
    const { box, certificate, signingKey, sealingKey } = stream.box;
    const epoch = Number(stream.lines[0]?.body['epoch']);
    const keys = { signingKey: rawPublicKey(signingKey), sealingKey: rawPublicKey(sealingKey) };
    return [this.bendHistory({ incarnation, box, epoch, appliedSeq: seq, headHash: hash, certificate, ...keys })];
  }

  private hashOf(incarnation: string, seq: number): string | null {
    return seq === 0 ? GENESIS_HASH.toString('hex') : (this.streams.get(incarnation)?.hashes[seq - 1] ?? null);
  }

  /** Up to the end of the push that the line came with, or of one that fills a page. */
  private linesPage(query: URLSearchParams): Reply {
    const [incarnation, fromSeq] = [String(query.get('incarnation')), Number(query.get('from'))];
    const stream = this.streams.get(incarnation);
    const ends = [...(stream?.signatures.keys() ?? [])].filter((seq) => seq >= fromSeq).sort((a, b) => a - b);
    const end = ends.findLast((seq) => seq < fromSeq + this.pageLinesMax) ?? ends[0];
    if (stream === undefined || end === undefined) return refuse(404, 'not-found');
    const header: PushHeader = {
      ...{
        protocol: 1,
        incarnation,
        fromSeq,
        count: end - fromSeq + 1,
        previousHash: String(this.hashOf(incarnation, fromSeq - 1)),
      },
      ...{ headHash: String(stream.hashes[end - 1]), signature: String(stream.signatures.get(end)) },
    };
    return { status: 200, body: encodePush(header, stream.bytes.slice(fromSeq - 1, end)) };
  }

  private signHead(incarnation: string, stream: Stream): void {
    const { tenant, branch, signingKey } = stream.box;
    const [seq, hash] = [stream.hashes.length, String(stream.hashes.at(-1))];
    for (const signed of stream.signatures.keys()) if (signed > seq) stream.signatures.delete(signed);
    stream.signatures.set(seq, signHead({ tenant, branch, incarnation, seq, hash }, signingKey));
  }

  private push(box: BoxIdentity, { header, lines }: ReceivedPush): Reply {
    const { incarnation, fromSeq, headHash, previousHash, signature } = header;
    if (!this.isSpoken(header.protocol)) return this.notSpoken();
    const { tenant, branch, signingKey } = box;
    const head = { tenant, branch, incarnation, seq: fromSeq + lines.length - 1, hash: headHash };
    if (!headIsSigned(head, signature, rawPublicKey(signingKey))) return refuse(400, 'malformed-push');
    const first = lines[0];
    if (fromSeq === 1 && first !== undefined && decodeLine(first.bytes).body['box'] !== box.box)
      return refuse(403, 'not-yours');
    const fresh: Stream = { hashes: [], lines: [], bytes: [], signatures: new Map(), box };
    const stream = this.streams.get(incarnation) ?? fresh;
    if (stream.box.box !== box.box) return refuse(403, 'not-yours');
    const appliedSeq = stream.hashes.length;
    if (fromSeq > appliedSeq + 1) return refuse(409, 'seq-gap', { appliedSeq });
    const differs = lines.some(
      ({ hash }, at) => (stream.hashes[fromSeq - 1 + at] ?? hash.toString('hex')) !== hash.toString('hex'),
    );
    const before = fromSeq === 1 ? GENESIS_HASH.toString('hex') : stream.hashes[fromSeq - 2];
    if (differs || before !== previousHash) return refuse(409, 'fork', { appliedSeq, hash: before });
    for (const { bytes, hash } of lines.slice(appliedSeq + 1 - fromSeq)) {
      stream.hashes.push(hash.toString('hex'));
      stream.lines.push(decodeLine(bytes));
      stream.bytes.push(Buffer.from(bytes));
    }
    stream.signatures.set(stream.hashes.length, signature);
    this.linesReceived += lines.length;
    this.protocolsPushed.push(header.protocol);
    this.streams.set(incarnation, stream);
    const now = this.headOf(incarnation);
    const answer: PushAnswer = {
      appliedSeq: now.seq,
      headHash: now.hash,
      durableSeq: 0,
      quarantined: this.quarantinedIn(incarnation, fromSeq, now.seq),
      directives: [],
    };
    return { status: 200, body: answer };
  }

  private quarantinedIn(incarnation: string, fromSeq: number, toSeq: number): PushAnswer['quarantined'] {
    return this.linesOf(incarnation)
      .slice(fromSeq - 1, toSeq)
      .flatMap((line) => {
        const why = this.setsAside(line);
        return why === null ? [] : [{ seq: line.seq, ...why }];
      });
  }

  private feed(url: URL): Reply {
    const scope = decodeURIComponent(url.pathname.slice('/sync/v1/feed/'.length));
    if (!this.scopes.includes(scope)) return refuse(403, 'not-yours');
    const records = this.feeds.get(scope) ?? [];
    const after = Number(url.searchParams.get('after'));
    const expected = after === 0 ? GENESIS_HASH.toString('hex') : records[after - 1]?.hash;
    if (expected !== url.searchParams.get('hash')) return refuse(409, 'feed-fork');
    const page: FeedPage = {
      scope,
      hubEpoch: this.hubEpoch,
      records: records.slice(after, after + this.pageRecordsMax),
      newest: records.length,
    };
    return { status: 200, body: page };
  }
}

function unpacked(body: Buffer): ReceivedPush {
  const push = new PackedPush(body);
  const lines: ReceivedPush['lines'] = [];
  for (let line = push.next(); line !== null; line = push.next()) lines.push(line);
  return { header: push.header, lines };
}

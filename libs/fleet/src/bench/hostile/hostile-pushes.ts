import { randomBytes } from 'node:crypto';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { signHead } from '@branchline/replication/head-signature.js';
import { JOURNAL_KINDS } from '@branchline/replication/kinds/registry.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { LinePacker } from '@branchline/replication/packed/pack-lines.js';
import { encodePackedPush, PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { PROTOCOL } from '@branchline/replication/protocol.js';
import { encodePush, PUSH_MEDIA_TYPE, type PushHeader } from '@branchline/replication/push.js';
import { v7 } from 'uuid';
import type { JournalBox } from '../ingest/branch-journal.js';

/** What somebody who holds a box, its keys and its token may know of others. */
export interface Victim {
  branch: string;
  branchCode: string;
  box: string;
  incarnation: string;
  /** Ids of its sales, shifts and devices. */
  ids: readonly string[];
}

export interface HostilePush {
  /** What is wrong with it. */
  what: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Where the history stands if the hub takes it; null: it must not. */
  then: { seq: number; hash: Buffer } | null;
}

type Chance = () => number;
type Line = Record<string, unknown>;

const SOLD_AT_MS = Date.UTC(2026, 10, 20, 12);
/** Decompressed far above what the hub takes, of zeros: some 60 kB on the wire. */
const BOMB_BYTES = 80 * 1024 * 1024;
const BOMBS_SHARE = 0.002;
const LINES_MAX = 5;

/**
 * Pushes of somebody who has a branch's box in his hands: signed where that helps him, chained to what the hub has taken,
 * and each with something in it that no edge writes. The same seed draws the same ones for the same answers of the hub.
 */
export class HostilePushes {
  private incarnation = v7();
  private seq = 0;
  private hash: Buffer = GENESIS_HASH;
  private readonly bomb: Buffer;

  constructor(
    private readonly box: JournalBox,
    private readonly victims: readonly Victim[],
    private readonly chance: Chance,
  ) {
    this.bomb = gzipSync(Buffer.alloc(BOMB_BYTES), { level: 9 });
  }

  next(): HostilePush {
    if (this.chance() < BOMBS_SHARE) return this.bombed();
    const kinds = this.seq === 0 ? OPENING : GOING_ON;
    const make = kinds[Math.floor(this.chance() * kinds.length)] ?? 'lines';
    return this[make]();
  }

  /** The hub has acknowledged it. */
  taken({ then }: HostilePush): void {
    if (then !== null) ({ seq: this.seq, hash: this.hash } = then);
  }

  /** The hub says that it stands elsewhere: a new history begins. */
  forget(): void {
    this.incarnation = v7();
    this.seq = 0;
    this.hash = GENESIS_HASH;
  }

  /** Opens a history of the branch's own, as an edge does. */
  open(): HostilePush {
    return this.signed('a history of its own', [this.opening({})]);
  }

  openForeign(): HostilePush {
    const victim = this.victim();
    const { box } = this;
    const claims: Line[] = [
      { branch: victim.branch, branchCode: victim.branchCode },
      { box: victim.box },
      { tenant: v7() },
      { signingKey: randomBytes(32).toString('base64url') },
      { branch: victim.branch, branchCode: victim.branchCode, box: victim.box },
      { incarnation: victim.incarnation },
      { epoch: 2 ** 40 },
      { previous: { incarnation: victim.incarnation, seq: 1, hash: 'f'.repeat(64) } },
    ];
    const claim = this.pick(claims) ?? {};
    return this.signed(`opens as ${Object.keys(claim).join(' and ')}`, [
      this.opening({ branchCode: box.branchCode, ...claim }),
    ]);
  }

  /** The history of somebody else, gone on with. */
  goOnWithForeign(): HostilePush {
    const { incarnation } = this.victim();
    const lines = [this.sale()];
    return this.push('another’s history', lines, { incarnation }, true);
  }

  /** Well-formed lines of known kinds with other people's ids, other people's places, and numbers at every edge. */
  lines(): HostilePush {
    const count = 1 + Math.floor(this.chance() * LINES_MAX);
    return this.signed(
      'lines',
      Array.from({ length: count }, () => this.line()),
    );
  }

  wrongSums(): HostilePush {
    const sale = this.sale();
    const body = sale['body'] as Line;
    const field = this.pick(['totalMinor', 'netMinor', 'changeMinor', 'amountMinor', 'cashRoundingMinor']) ?? '';
    return this.signed(`a sale with another ${field}`, [{ ...sale, body: { ...body, [field]: this.number() } }]);
  }

  unknownKind(): HostilePush {
    const kind =
      this.pick(['price', 'operator', 'product', 'branch-settings', 'erase', 'a'.repeat(40), 'sale-x']) ?? 'x';
    return this.signed(`kind ${kind}`, [this.wrapped(kind, v7(), { id: v7(), branch: this.victim().branch })]);
  }

  badHeader(): HostilePush {
    const changes: Partial<Record<keyof PushHeader, unknown>>[] = [
      { protocol: this.number() },
      { incarnation: this.pick(['', 'x', v7().toUpperCase(), "'; DROP TABLE sale; --", '../..']) },
      { fromSeq: this.number() },
      { count: this.number() },
      { previousHash: 'f'.repeat(64) },
      { headHash: 'f'.repeat(64) },
      { signature: 'A'.repeat(86) },
      { signature: this.pick(['', '\0', 'é'.repeat(86), 'A'.repeat(10_000)]) },
    ];
    const change = this.pick(changes) ?? {};
    return this.push(
      `header with another ${Object.keys(change)[0]}`,
      [this.line()],
      change as Partial<PushHeader>,
      false,
    );
  }

  /** A push that would be good, some bytes of it changed. */
  flipped(): HostilePush {
    const good = this.signed('', [this.line(), this.line()]);
    const body = Buffer.from(good.body);
    for (let flips = 1 + Math.floor(this.chance() * 8); flips > 0 && body.length > 0; flips -= 1) {
      body[Math.floor(this.chance() * body.length)] = Math.floor(this.chance() * 256);
    }
    // Packed bytes may be read otherwise and still lead to the head they are signed for: then it is good.
    return { ...good, what: 'changed bytes', body };
  }

  cut(): HostilePush {
    const good = this.signed('', [this.line(), this.line()]);
    return {
      ...good,
      what: 'cut short',
      body: good.body.subarray(0, Math.floor(this.chance() * good.body.length)),
      then: null,
    };
  }

  notJson(): HostilePush {
    const texts = [
      '{"__proto__":{"polluted":true}}',
      '{"seq":1,"seq":2}',
      '{"seq":NaN}',
      '{"seq":9007199254740993}',
      '{"key":"\\ud800"}',
      '{"key":"\\u0000"}',
      '['.repeat(10_000),
      '\u0000',
      '{',
      '',
      'null',
      '"text"',
    ];
    return this.push('a line that is none', [], {}, true, [Buffer.from(this.pick(texts) ?? '{')]);
  }

  bombed(): HostilePush {
    const headers = { 'content-type': this.pick([PUSH_MEDIA_TYPE, PACKED_PUSH_MEDIA_TYPE]) ?? PUSH_MEDIA_TYPE };
    return { what: 'a bomb', headers: { ...headers, 'content-encoding': 'gzip' }, body: this.bomb, then: null };
  }

  noise(): HostilePush {
    const headers = {
      'content-type':
        this.pick([PUSH_MEDIA_TYPE, PACKED_PUSH_MEDIA_TYPE, 'application/json', 'text/plain', 'x']) ?? 'x',
      'content-encoding': this.pick(['br', 'gzip', 'identity', 'deflate', 'zstd', 'br, br']) ?? 'br',
    };
    return { what: 'noise', headers, body: randomBytes(Math.floor(this.chance() * 4_000)), then: null };
  }

  private line(): Line {
    const makers = [
      () => this.sale(),
      () => this.foreignIds('sale'),
      () => this.foreignIds('shift-open'),
      () => this.foreignIds('shift-close'),
      () => this.foreignIds('device-enrol'),
      () =>
        this.wrapped('day-seal', `day:9999-12-31`, {
          businessDate: '9999-12-31',
          operator: 'x',
          sealedAt: this.number(),
        }),
      () => this.wrapped(this.anyKind(), this.text(), { [this.text()]: this.text(), id: this.text() }),
      () => ({ ...this.sale(), refs: Array.from({ length: 100 }, () => `sale:${this.foreignId()}`) }),
      () => ({ ...this.sale(), actor: this.text(), device: this.foreignId() }),
      () => ({ ...this.sale(), contentHash: 'f'.repeat(64) }),
      () => ({ ...this.sale(), contract: 1 + Math.floor(this.chance() * 1_000_000) }),
      () => ({ ...this.sale(), at: Math.abs(this.number()), branch: this.victim().branch, tenant: v7() }),
    ];
    return (this.pick(makers) ?? makers[0])?.() ?? this.sale();
  }

  /** A sale that adds up, of the branch's own. */
  private sale(id: string = v7()): Line {
    const receiptNumber =
      this.chance() < 0.8
        ? `${this.box.branchCode}-T1-1-${String(Math.floor(this.chance() * 1e6)).padStart(6, '0')}`
        : this.text() || 'x';
    const quantityMilli = 1000 * (1 + Math.floor(this.chance() * 3));
    const totalMinor = (quantityMilli / 1000) * 100;
    const body = {
      id,
      receiptNumber,
      epoch: 1,
      till: 'T1',
      operator: 'anna',
      shift: this.chance() < 0.5 ? null : this.foreignId(),
      businessDate: this.pick(['2026-11-20', '0001-01-01', '9999-12-31', '2026-02-28']) ?? '2026-11-20',
      occurredAt: SOLD_AT_MS,
      soldAt: this.chance() < 0.9 ? SOLD_AT_MS : Math.abs(this.number()),
      source: 'live',
      currency: this.pick(['ZAR', 'ZAR', 'XXX', 'USD']) ?? 'ZAR',
      lines: [
        {
          lineNo: 1,
          product: this.pick(['P1', 'P2', "' OR 1=1 --"]) ?? 'P1',
          name: this.text(),
          quantityMilli,
          price: { minor: 100, per: 1 },
          priceSource: 'book',
          amountMinor: totalMinor,
          modifiers: [],
          netMinor: totalMinor,
          taxMinor: 0,
          totalMinor,
          taxes: [],
        },
      ],
      tenders: [{ tenderNo: 1, type: 'cash', amountMinor: totalMinor }],
      amountMinor: totalMinor,
      discountMinor: 0,
      netMinor: totalMinor,
      taxMinor: 0,
      totalMinor,
      cashRoundingMinor: 0,
      changeMinor: 0,
      flags: [],
    };
    return this.wrapped('sale', id, body);
  }

  private foreignIds(kind: string): Line {
    const id = this.foreignId();
    if (kind === 'sale') return this.sale(id);
    const { branch, branchCode } = this.victim();
    return this.wrapped(kind, id, {
      id,
      branch,
      branchCode,
      till: 'T1',
      drawer: 'D1',
      operator: 'anna',
      floatMinor: this.number(),
      currency: 'ZAR',
      openedAt: SOLD_AT_MS,
      closedAt: SOLD_AT_MS,
      businessDate: '2026-11-20',
      zNumber: 1,
      byBusinessDate: [],
      tenders: [],
      grandTotalMinor: this.number(),
      exceptions: [],
      name: 'x',
      codeHash: 'f'.repeat(64),
      tokenHash: 'f'.repeat(64),
      enrolledAt: SOLD_AT_MS,
    });
  }

  private opening(claims: Line): Line {
    const { tenant, branch, branchCode, box, signingKey, sealingKey, epoch } = this.box;
    const { incarnation } = this;
    const own = {
      incarnation,
      tenant,
      branch,
      branchCode,
      box,
      signingKey,
      sealingKey,
      epoch,
      previous: null,
      reason: 'first',
    };
    return this.wrapped('incarnation-open', incarnation, { ...own, ...claims });
  }

  private wrapped(kind: string, key: string, body: Line): Line {
    const hlc = '0192e0000000-0000';
    const contentHash = randomBytes(32).toString('hex');
    return {
      seq: 0,
      kind,
      key,
      refs: [],
      contract: CONTRACT,
      at: SOLD_AT_MS,
      hlc,
      actor: null,
      device: null,
      contentHash,
      body,
    };
  }

  private signed(what: string, lines: Line[]): HostilePush {
    return this.push(what, lines, {}, true);
  }

  /** @param header what the push says otherwise @param raw further lines as they are */
  private push(
    what: string,
    lines: Line[],
    header: Partial<PushHeader>,
    mayBeTaken: boolean,
    raw: Buffer[] = [],
  ): HostilePush {
    const bytes = [
      ...lines.map((line, at) => Buffer.from(JSON.stringify({ ...line, seq: this.seq + at + 1 }))),
      ...raw,
    ];
    let hash = this.hash;
    for (const line of bytes) hash = chainHash(hash, line);
    const { tenant, branch, signing } = this.box;
    const seq = this.seq + bytes.length;
    const incarnation = header.incarnation ?? this.incarnation;
    const headHash = hash.toString('hex');
    const honest: PushHeader = {
      protocol: PROTOCOL,
      incarnation,
      fromSeq: this.seq + 1,
      count: bytes.length,
      previousHash: this.hash.toString('hex'),
      headHash,
      signature: signHead({ tenant, branch, incarnation, seq, hash: headHash }, signing),
    };
    const head = { ...honest, ...header };
    const packed = this.chance() < 0.5 ? packedPush(head, bytes) : null;
    const body = packed ?? encodePush(head, bytes);
    const type = packed === null ? PUSH_MEDIA_TYPE : PACKED_PUSH_MEDIA_TYPE;
    const then = mayBeTaken && incarnation === this.incarnation ? { seq, hash } : null;
    return { what, ...this.encoded(body, type), then };
  }

  private encoded(body: Buffer, type: string): { headers: Record<string, string>; body: Buffer } {
    const headers = { 'content-type': type };
    const drawn = this.chance();
    if (drawn < 0.4) return { headers, body };
    if (drawn < 0.7) return { headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body, { level: 1 }) };
    const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
    return { headers: { ...headers, 'content-encoding': 'br' }, body: brotliCompressSync(body, options) };
  }

  private victim(): Victim {
    const victim = this.pick(this.victims);
    if (victim === undefined) throw new Error('there is nobody to harm');
    return victim;
  }

  private foreignId(): string {
    return this.pick(this.victim().ids) ?? v7();
  }

  private anyKind(): string {
    return this.pick(Object.keys(JOURNAL_KINDS)) ?? 'sale';
  }

  private number(): number {
    const drawn = [0, -1, 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, -(2 ** 53), 1.5, 1e308, 1e13 + 1];
    return this.pick(drawn) ?? 0;
  }

  private text(): string {
    const drawn = [
      '',
      '\0',
      '\ud800',
      '<script>alert(1)</script>',
      '=cmd()',
      "'; DELETE FROM sale; --",
      'é'.repeat(300),
      '__proto__',
      '\u202e',
    ];
    return this.pick(drawn) ?? '';
  }

  private pick<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.chance() * of.length)];
  }
}

type Make =
  | ('open' | 'openForeign' | 'goOnWithForeign' | 'badHeader' | 'noise')
  | ('lines' | 'wrongSums' | 'unknownKind' | 'flipped' | 'cut' | 'notJson');

const OPENING: readonly Make[] = ['open', 'open', 'openForeign', 'goOnWithForeign', 'badHeader', 'noise'];
/** What the hub has to read through comes often, what it refuses at sight seldom. */
const WEIGHTS: Readonly<Record<Exclude<Make, 'open'>, number>> = {
  lines: 8,
  wrongSums: 2,
  unknownKind: 1,
  flipped: 2,
  cut: 1,
  notJson: 2,
  badHeader: 2,
  openForeign: 1,
  goOnWithForeign: 1,
  noise: 2,
};
const GOING_ON = Object.entries(WEIGHTS).flatMap(([make, weight]) => new Array<Make>(weight).fill(make as Make));

/** Null: lines that no packer takes. */
function packedPush(header: PushHeader, lines: readonly Buffer[]): Buffer | null {
  const packer = new LinePacker();
  return lines.every((line) => packer.add(line)) ? encodePackedPush(header, packer.finish()) : null;
}

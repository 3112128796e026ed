import type { KeyObject } from 'node:crypto';
import { businessDate } from '@branchline/domain/business-date.js';
import { receiptNumber } from '@branchline/domain/receipt-number.js';
import { CASH, priceSale, type SaleLineToPrice, type SaleTender } from '@branchline/domain/sale.js';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { signHead } from '@branchline/replication/head-signature.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { encodeLine } from '@branchline/replication/line.js';
import { LinePacker } from '@branchline/replication/packed/pack-lines.js';
import { encodePackedPush } from '@branchline/replication/packed/packed-push.js';
import { PROTOCOL } from '@branchline/replication/protocol.js';
import { v7 } from 'uuid';
import { chanceFrom } from '../edge/chance.js';

/** Whose journal: as the hub has enrolled it. */
export interface JournalBox {
  tenant: string;
  branch: string;
  branchCode: string;
  box: string;
  epoch: number;
  signing: KeyObject;
  signingKey: string;
  sealingKey: string;
}

/** A line of the journal as it stands there: what the hub archives. */
export interface WrittenLine {
  seq: number;
  kind: string;
  key: string;
  atMs: number;
  hash: Buffer;
  bytes: Buffer;
}

export interface WrittenSale extends WrittenLine {
  contentHash: string;
  body: SaleBody;
}

export interface WrittenPush {
  incarnation: string;
  /** Packed, as the edge does it; not yet compressed. */
  body: Buffer;
  lines: WrittenLine[];
  sales: WrittenSale[];
}

const TIME_ZONE = 'Africa/Johannesburg';
const CUT_OFF_MINUTES = 4 * 60;
const CURRENCY = 'ZAR';
const OPENS_AT_MS = Date.UTC(2026, 10, 2, 6);
const DAY_MS = 24 * 3_600_000;
/** Of trade: the next day begins after it. */
const TRADED_MS_A_DAY = 12 * 3_600_000;
const SALES_A_DAY = 1_000;
const LINES_A_SALE = 5;
const TILLS = 4;
const OPERATORS = 12;
/** Believable: a few products are in every second basket, most are sold now and then. */
const PRODUCTS = 4_000;
const POPULARITY_POWER = 2.2;
const REDUCED_SHARE = 0.15;

/**
 * A branch that sells: 5-line sales, by and by through hours, tills, operators and days, chained and signed as an edge does
 * it. All chance comes from the seed.
 */
export class BranchJournal {
  readonly incarnation: string;
  private seq = 0;
  private headHash: Buffer = GENESIS_HASH;
  private hlc: string | null = null;
  private sold = 0;
  private readonly receiptNos = new Array<number>(TILLS).fill(0);
  private readonly shifts: string[];
  private readonly chance: () => number;

  constructor(
    readonly box: JournalBox,
    seed: number,
    private readonly currency = CURRENCY,
  ) {
    this.chance = chanceFrom(seed);
    this.incarnation = this.newId(OPENS_AT_MS);
    this.shifts = Array.from({ length: TILLS }, () => this.newId(OPENS_AT_MS));
  }

  /** The next sales in one push; the first one opens the incarnation. */
  nextPush(sales: number): WrittenPush {
    const previousHash = this.headHash.toString('hex');
    const fromSeq = this.seq + 1;
    const lines: WrittenLine[] = [];
    if (this.seq === 0) lines.push(this.append('incarnation-open', this.incarnation, [], OPENS_AT_MS, this.opening()));
    const written: WrittenSale[] = [];
    for (let at = 0; at < sales; at += 1) {
      const body = this.nextSale();
      const line = this.append('sale', body.id, [`shift:${body.shift ?? ''}`], body.soldAt, body, body.operator);
      written.push({ ...line, contentHash: line.contentHash, body });
    }
    lines.push(...written);
    const { tenant, branch, signing } = this.box;
    const { incarnation } = this;
    const headHash = this.headHash.toString('hex');
    const signature = signHead({ tenant, branch, incarnation, seq: this.seq, hash: headHash }, signing);
    const count = lines.length;
    const packer = new LinePacker();
    for (const { bytes } of lines) if (!packer.add(bytes)) throw new Error('a line that cannot be packed');
    const body = encodePackedPush(
      { protocol: PROTOCOL, incarnation, fromSeq, count, previousHash, headHash, signature },
      packer.finish(),
    );
    return { incarnation, body, lines, sales: written };
  }

  private append(
    kind: string,
    key: string,
    refs: string[],
    at: number,
    body: Record<string, unknown>,
    actor: string | null = null,
  ): WrittenLine & { contentHash: string } {
    this.seq += 1;
    this.hlc = nextHlc(this.hlc, at);
    const { seq, hlc } = this;
    const hashed = contentHash(body);
    const line = { seq, kind, key, refs, contract: CONTRACT, at, hlc, actor, device: null, contentHash: hashed, body };
    const bytes = encodeLine(line);
    this.headHash = chainHash(this.headHash, bytes);
    return { seq, kind, key, atMs: at, hash: this.headHash, bytes, contentHash: hashed };
  }

  private opening(): IncarnationOpen {
    const { tenant, branch, branchCode, box, signingKey, sealingKey, epoch } = this.box;
    const { incarnation } = this;
    return {
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
  }

  private nextSale(): SaleBody {
    const day = Math.floor(this.sold / SALES_A_DAY);
    const withinDay = (this.sold % SALES_A_DAY) / SALES_A_DAY;
    this.sold += 1;
    const soldAt = Math.floor(OPENS_AT_MS + day * DAY_MS + withinDay * TRADED_MS_A_DAY + this.chance() * 20_000);
    const till = Math.floor(this.chance() * TILLS);
    const receiptNo = (this.receiptNos[till] ?? 0) + 1;
    this.receiptNos[till] = receiptNo;
    const { branchCode, epoch } = this.box;
    const tillCode = `T${till + 1}`;
    const lines = this.nextLines();
    const { currency } = this;
    const unpaid = { currency, taxRounding: 'line' as const, lines };
    const totalMinor = priceSale({ ...unpaid, tenders: [tender(1, CASH, Number.MAX_SAFE_INTEGER)] }).totalMinor;
    const tenders = this.nextTenders(totalMinor);
    const priced = priceSale({ ...unpaid, tenders });
    return {
      id: this.newId(soldAt),
      receiptNumber: receiptNumber(branchCode, tillCode, epoch, receiptNo),
      receiptNo,
      epoch,
      deviceReference: `${tillCode}-${new Date(soldAt).toISOString().slice(0, 10).replaceAll('-', '')}-${String(receiptNo).padStart(6, '0')}`,
      till: tillCode,
      operator: `operator-${1 + Math.floor(this.chance() * OPERATORS)}`,
      shift: this.shifts[till] ?? null,
      businessDate: businessDate(soldAt, TIME_ZONE, CUT_OFF_MINUTES),
      occurredAt: soldAt,
      soldAt,
      source: 'live',
      currency,
      lines: priced.lines.map((line) => ({
        lineNo: line.lineNo,
        product: line.product,
        name: nameOf(line.product),
        ...(line.lineNo !== 1 && { barcode: `6001${line.product.slice(1)}${line.product.slice(1, 5)}` }),
        quantityMilli: line.quantityMilli,
        price: line.price,
        priceSource: 'book' as const,
        priceEntry: `Z1:${line.product}:2026-11-01`,
        amountMinor: line.amountMinor,
        modifiers: line.modifiers,
        netMinor: line.netMinor,
        taxMinor: line.taxMinor,
        totalMinor: line.totalMinor,
        taxes: line.taxes,
      })),
      tenders,
      amountMinor: priced.amountMinor,
      discountMinor: priced.discountMinor,
      netMinor: priced.netMinor,
      taxMinor: priced.taxMinor,
      totalMinor: priced.totalMinor,
      cashRoundingMinor: priced.cashRoundingMinor,
      changeMinor: priced.changeMinor,
      flags: [],
    };
  }

  private nextLines(): SaleLineToPrice[] {
    return Array.from({ length: LINES_A_SALE }, (_line, at) => {
      const product = Math.floor(this.chance() ** POPULARITY_POWER * PRODUCTS);
      const priceMinor = 499 + ((product * 7_919) % 12_000);
      const isWeighed = product % 9 === 0;
      const quantityMilli = isWeighed
        ? 150 + Math.floor(this.chance() * 1_500)
        : 1_000 * (1 + Math.floor(this.chance() ** 4 * 4));
      const isReduced = this.chance() < REDUCED_SHARE && !isWeighed;
      return {
        lineNo: at + 1,
        product: `P${String(100_000 + product)}`,
        quantityMilli,
        price: { minor: priceMinor, per: 1 },
        modifiers: isReduced ? [{ kind: 'loyalty', amountMinor: -Math.floor(priceMinor / 10) }] : [],
        information: [],
        taxes: [product % 7 === 0 ? { code: 'ZERO', ratePpm: 0 } : { code: 'VAT15', ratePpm: 150_000 }],
      };
    });
  }

  private nextTenders(totalMinor: number): SaleBody['tenders'] {
    const kind = this.chance();
    if (kind < 0.55) return [{ ...tender(1, 'card', totalMinor), card: this.card() }];
    if (kind < 0.85) return [tender(1, CASH, Math.ceil(totalMinor / 1_000) * 1_000)];
    const voucher = Math.floor(totalMinor / 3);
    return [tender(1, 'voucher', voucher), { ...tender(2, 'card', totalMinor - voucher), card: this.card() }];
  }

  private card(): Record<string, string> {
    const last = String(Math.floor(this.chance() * 10_000)).padStart(4, '0');
    return { scheme: 'VISA', maskedPan: `****${last}`, authCode: String(Math.floor(this.chance() * 1_000_000)) };
  }

  private newId(atMs: number): string {
    return v7({ msecs: atMs, random: Uint8Array.from({ length: 16 }, () => Math.floor(this.chance() * 256)) });
  }
}

function tender(tenderNo: number, type: string, amountMinor: number): SaleTender {
  return { tenderNo, type, amountMinor };
}

function nameOf(product: string): string {
  const size = 100 + (Number(product.slice(1)) % 10) * 100;
  return `House brand ${product.slice(-4)} ${size} g`;
}

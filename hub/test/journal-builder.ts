import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { movementsOfSale } from '@branchline/domain/stock.js';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { rawPublicKey, signHead } from '@branchline/replication/head-signature.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { DaySeal } from '@branchline/replication/kinds/day-seal.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import type { ShiftClose } from '@branchline/replication/kinds/shift-close.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { encodeLine, type JournalLine } from '@branchline/replication/line.js';
import { PROTOCOL } from '@branchline/replication/protocol.js';
import { encodePush, type PushHeader } from '@branchline/replication/push.js';
import { v7 } from 'uuid';

export type BoxKeys = { signing: KeyObject; sealing: KeyObject; signingKey: string; sealingKey: string };

export function newBoxKeys(): BoxKeys {
  const signing = generateKeyPairSync('ed25519').privateKey;
  const sealing = generateKeyPairSync('x25519').privateKey;
  return { signing, sealing, signingKey: rawPublicKey(signing), sealingKey: rawPublicKey(sealing) };
}

export type BoxOfJournal = {
  tenant: string;
  branch: string;
  branchCode: string;
  box: string;
  keys: BoxKeys;
  epoch: number;
};

/** 2026-11-20 14:03:11 in Johannesburg. */
export const SOLD_AT_MS = Date.UTC(2026, 10, 20, 12, 3, 11);

/** One line to be sold; price with 15 % tax inside, in minor units for one unit. */
export type SoldLine = {
  product?: string;
  milli?: number;
  priceMinor?: number;
  modifiers?: { kind: string; amountMinor: number }[];
  information?: { kind: string; amountMinor: number }[];
  /** As they stand on the line; absent: one, of 15 %. None: nothing of the price is tax. */
  taxes?: { code: string; ratePpm: number; amountMinor: number }[];
};

export type SaleOptions = {
  id?: string;
  lines?: SoldLine[];
  businessDate?: string;
  soldAtMs?: number;
  operator?: string;
  tenderType?: string;
  changeMinor?: number;
  receiptNumber?: string;
  shift?: string | null;
  customerId?: string;
  flags?: string[];
};

/** Body of a sale that adds up, as an edge would write it. */
export function saleBody(branchCode: string, receiptNo: number, epoch: number, options: SaleOptions = {}): SaleBody {
  const lines = (options.lines ?? [{}]).map((line, at) => soldLine(line, at + 1));
  const sum = (column: 'amountMinor' | 'netMinor' | 'taxMinor' | 'totalMinor'): number =>
    lines.reduce((total, line) => total + line[column], 0);
  const changeMinor = options.changeMinor ?? 0;
  const soldAt = options.soldAtMs ?? SOLD_AT_MS;
  return {
    id: options.id ?? v7(),
    receiptNumber: options.receiptNumber ?? `${branchCode}-T1-${epoch}-${String(receiptNo).padStart(6, '0')}`,
    receiptNo,
    epoch,
    till: 'T1',
    operator: options.operator ?? 'anna',
    shift: options.shift ?? null,
    businessDate: options.businessDate ?? '2026-11-20',
    occurredAt: soldAt,
    soldAt,
    source: 'live',
    ...(options.customerId !== undefined && { customerId: options.customerId }),
    currency: 'ZAR',
    lines,
    tenders: [{ tenderNo: 1, type: options.tenderType ?? 'cash', amountMinor: sum('totalMinor') + changeMinor }],
    amountMinor: sum('amountMinor'),
    discountMinor: sum('amountMinor') - sum('totalMinor'),
    netMinor: sum('netMinor'),
    taxMinor: sum('taxMinor'),
    totalMinor: sum('totalMinor'),
    cashRoundingMinor: 0,
    changeMinor,
    flags: options.flags ?? [],
  };
}

function soldLine(
  { product = 'MILK-1L', milli = 1000, priceMinor = 1999, modifiers = [], information, taxes }: SoldLine,
  lineNo: number,
): SaleBody['lines'][number] {
  const amountMinor = Math.round((priceMinor * milli) / 1000);
  const totalMinor = modifiers.reduce((sum, modifier) => sum + modifier.amountMinor, amountMinor);
  const netMinor = taxes?.length === 0 ? totalMinor : Math.round((totalMinor * 100) / 115);
  const taxMinor = totalMinor - netMinor;
  return {
    lineNo,
    product,
    name: `Name of ${product}`,
    quantityMilli: milli,
    price: { minor: priceMinor, per: 1 },
    priceSource: 'book',
    amountMinor,
    modifiers,
    ...(information && { information }),
    netMinor,
    taxMinor,
    totalMinor,
    taxes: taxes ?? [{ code: 'VAT15', ratePpm: 150_000, amountMinor: taxMinor }],
  };
}

/**
 * A history as a box would write it: valid lines, chained, and pushes of any part of it, signed. `append` takes any body,
 * so that a spec can also write what no edge would.
 */
export class JournalBuilder {
  readonly lines: Buffer[] = [];
  readonly hashes: Buffer[] = [];
  readonly incarnation: string;
  private hlc: string | null = null;
  private receiptNo = 0;

  constructor(
    readonly box: BoxOfJournal,
    options: {
      incarnation?: string;
      epoch?: number;
      previous?: IncarnationOpen['previous'];
      open?: Partial<IncarnationOpen>;
    } = {},
  ) {
    this.incarnation = options.incarnation ?? v7();
    const { tenant, branch, branchCode, keys } = box;
    const body: IncarnationOpen = {
      incarnation: this.incarnation,
      tenant,
      branch,
      branchCode,
      box: box.box,
      signingKey: keys.signingKey,
      sealingKey: keys.sealingKey,
      epoch: options.epoch ?? box.epoch,
      previous: options.previous ?? null,
      reason: options.previous ? 'fork' : 'first',
      ...options.open,
    };
    this.append('incarnation-open', this.incarnation, body);
  }

  get seq(): number {
    return this.lines.length;
  }

  get headHash(): string {
    return this.hashAt(this.seq);
  }

  hashAt(seq: number): string {
    return (seq === 0 ? GENESIS_HASH : (this.hashes[seq - 1] as Buffer)).toString('hex');
  }

  append(kind: string, key: string, body: Record<string, unknown>, other: Partial<JournalLine> = {}): number {
    const at = SOLD_AT_MS + this.seq;
    this.hlc = nextHlc(this.hlc, at);
    const line: JournalLine = {
      seq: this.seq + 1,
      kind,
      key,
      refs: [],
      contract: CONTRACT,
      at,
      hlc: this.hlc,
      actor: 'anna',
      device: null,
      contentHash: other.contentHash ?? contentHash(body),
      body,
      ...other,
    };
    return this.appendBytes(encodeLine(line));
  }

  appendBytes(bytes: Buffer): number {
    this.lines.push(bytes);
    this.hashes.push(chainHash(this.hashes.at(-1) ?? GENESIS_HASH, bytes));
    return this.seq;
  }

  /** @returns the body that was journalled */
  sale(options: SaleOptions = {}): SaleBody {
    this.receiptNo += 1;
    const body = saleBody(this.box.branchCode, this.receiptNo, this.box.epoch, options);
    this.append('sale', body.id, body);
    return body;
  }

  /** Another history's fact, journalled again: same content, its own number. */
  saleAgain(body: SaleBody, receiptNumber = body.receiptNumber): void {
    this.append('sale', body.id, { ...body, receiptNumber });
  }

  shiftOpen(id: string = v7(), businessDate = '2026-11-20'): string {
    const body = {
      id,
      till: 'T1',
      drawer: 'D1',
      operator: 'anna',
      floatMinor: 50_000,
      currency: 'ZAR',
      openedAt: SOLD_AT_MS,
      businessDate,
    };
    this.append('shift-open', id, body);
    return id;
  }

  shiftClose(id: string, zNumber: number, businessDate = '2026-11-20'): void {
    const body: ShiftClose = {
      id,
      zNumber,
      till: 'T1',
      drawer: 'D1',
      operator: 'anna',
      openedAt: SOLD_AT_MS,
      closedAt: SOLD_AT_MS + 3_600_000,
      businessDate,
      currency: 'ZAR',
      floatMinor: 50_000,
      byBusinessDate: [],
      tenders: [
        { tenderType: 'cash', currency: 'ZAR', expectedMinor: 50_000, declaredMinor: null, differenceMinor: null },
      ],
      grandTotalMinor: 0,
      exceptions: [],
    };
    this.append('shift-close', id, body);
  }

  daySeal(businessDate = '2026-11-20', tillsHolding?: string[]): void {
    const figures = {
      businessDate,
      baskets: 0,
      lines: 0,
      unitsMilli: 0,
      amountMinor: 0,
      discountMinor: 0,
      netMinor: 0,
      taxMinor: 0,
      totalMinor: 0,
    };
    const body: DaySeal = {
      ...{ businessDate, operator: 'anna', sealedAt: SOLD_AT_MS + 7_200_000, shifts: [], figures },
      ...(tillsHolding && { tillsHolding }),
    };
    this.append('day-seal', businessDate, body);
  }

  /** NDJSON of the lines `fromSeq` to `toSeq`; `header` overrides what is true. */
  push(fromSeq = 1, toSeq = this.seq, header: Partial<PushHeader> = {}, keys: BoxKeys = this.box.keys): Buffer {
    const { tenant, branch } = this.box;
    const headHash = this.hashAt(toSeq);
    const head = { tenant, branch, incarnation: this.incarnation, seq: toSeq, hash: headHash };
    const honest: PushHeader = {
      protocol: PROTOCOL,
      incarnation: this.incarnation,
      fromSeq,
      count: toSeq - fromSeq + 1,
      previousHash: this.hashAt(fromSeq - 1),
      headHash,
      signature: signHead(head, keys.signing),
    };
    return encodePush({ ...honest, ...header }, this.lines.slice(fromSeq - 1, toSeq));
  }
}

/** Stock that must be on hand after these sales. */
export function stockAfter(sales: readonly SaleBody[]): Map<string, number> {
  const stock = new Map<string, number>();
  for (const { product, quantityMilli } of sales.flatMap((sale) => movementsOfSale(sale.lines))) {
    stock.set(product, (stock.get(product) ?? 0) + quantityMilli);
  }
  return stock;
}

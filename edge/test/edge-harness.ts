import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AUTHENTICATORS, accessGuardProvider } from '@branchline/access/access.guard.js';
import { PasswordHasher } from '@branchline/access/password.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import { ManualClock } from '@branchline/domain/clock.js';
import { createHttpApp, listen } from '@branchline/http/app.js';
import type { FeedBody } from '@branchline/replication/feed.js';
import { pepperedPin } from '@branchline/replication/pin.js';
import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { v7 } from 'uuid';
import { applyFetched } from '../src/apply-fetched.js';
import { APPLIERS } from '../src/appliers.js';
import { CashModule } from '../src/cash/cash.module.js';
import { CatalogueModule } from '../src/catalogue/catalogue.module.js';
import { CLOCK } from '../src/clock.js';
import { readConfig } from '../src/config.js';
import { CustomersModule } from '../src/customers/customers.module.js';
import { FEED_ROWS, type RowsKind } from '../src/feed-appliers.js';
import type { LongReads } from '../src/long-reads.js';
import { moveReference } from '../src/move-reference.js';
import { SellingModule } from '../src/selling/selling.module.js';
import { edgeAuthenticators } from '../src/staff/authenticators.js';
import { StaffModule } from '../src/staff/staff.module.js';
import { StockModule } from '../src/stock/stock.module.js';
import type { BoxIdentity } from '../src/store/box.js';
import { Reader } from '../src/store/reader.js';
import { Store } from '../src/store/store.js';
import { StoreModule } from '../src/store/store.module.js';
import { newBox, ROWS_OF_A_TEST, visibleTake, writeRows } from '../src/store/testing/store-fixture.js';
import { TillsModule } from '../src/tills/tills.module.js';
import { WRITES } from '../src/writes.js';
import { sourceThread } from './source-thread/source-thread.js';

export const NOON = Date.parse('2026-11-20T12:00:00.000Z');
export const PIN = '2468';

/** Answers, whatever their status: a test says which one it expects. */
export type Answer = AxiosResponse;

const CAPABILITIES = [
  SellingModule,
  CashModule,
  TillsModule,
  StaffModule,
  CatalogueModule,
  StockModule,
  CustomersModule,
];
const quiet = { log: () => undefined, error: () => undefined, warn: () => undefined };

/**
 * A real edge over HTTP with a real file, all of it but the replicator: what head office would send goes through the feed
 * appliers. The clock stands where a test puts it.
 */
export class EdgeHarness {
  readonly clock = new ManualClock(NOON);
  readonly folder = mkdtempSync(join(tmpdir(), 'branchline-edge-'));
  readonly box: BoxIdentity = newBox();
  private readonly hasher = new PasswordHasher();
  private readonly verifiers = new Map<string, string>();
  private readonly failures: Error[] = [];
  private version = 0;
  private app!: NestFastifyApplication;
  private reader!: Reader<LongReads>;
  store!: Store;
  http!: AxiosInstance;

  static async start(): Promise<EdgeHarness> {
    const harness = new EdgeHarness();
    await harness.open();
    return harness;
  }

  async open(): Promise<void> {
    const { clock, box } = this;
    const config = readConfig({ EDGE_DATA: this.folder, EDGE_HUB_URL: 'http://127.0.0.1:9', EDGE_PORT: '0' });
    this.store = await Store.open({
      config,
      box,
      appliers: APPLIERS,
      moveReference,
      applyFetched,
      clock,
      newId: v7,
      alarm: () => undefined,
      onFatal: (error) => this.failures.push(error),
    });
    const store = this.store;
    this.assertKnown(store);
    this.reader = new Reader({
      file: config.databaseFile,
      thread: sourceThread('edge/src/reader-thread.ts'),
      alarm: (message) => this.failures.push(new Error(message)),
    });
    const reader = this.reader;
    @Module({
      imports: [StoreModule.forRoot({ config, store, reader, clock, newId: v7 }), ...CAPABILITIES],
      providers: [
        { provide: AUTHENTICATORS, inject: [Store, CLOCK], useFactory: edgeAuthenticators },
        accessGuardProvider,
      ],
    })
    class EdgeWithoutReplicator {}
    this.app = await createHttpApp(EdgeWithoutReplicator, {
      name: 'edge',
      version: '0',
      bodyBytesMax: 8 * 1024 * 1024,
      logger: quiet,
    });
    const port = await listen(this.app, { host: '127.0.0.1', port: 0 });
    this.http = axios.create({ baseURL: `http://127.0.0.1:${port}/v1`, validateStatus: () => true });
  }

  /** Here the writer needs no list of what is written; the product's own runs in a thread, and knows no other. */
  private assertKnown({ writer }: Store): void {
    for (const [method, known] of [
      ['execute', WRITES.commands],
      ['write', WRITES.local],
    ] as const) {
      const asked = writer[method].bind(writer) as (...asked: unknown[]) => Promise<unknown>;
      const names = new Set([...known.map(({ name }) => name), ROWS_OF_A_TEST]);
      writer[method] = (write: { name: string }, ...rest: unknown[]) => {
        if (!names.has(write.name)) this.failures.push(new Error(`${write.name} is not in writes.ts`));
        return asked(write, ...rest) as Promise<never>;
      };
    }
  }

  /** The same file, another process as far as it can tell. */
  async restart(): Promise<void> {
    await this.stop();
    await this.open();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async stop(): Promise<void> {
    await this.app.close();
    await this.reader.close();
    await this.store.close();
    if (this.failures.length > 0) throw this.failures[0] as Error;
  }

  /** A record as the feed brings it, newer than any before. */
  async feed<K extends RowsKind>(kind: K, key: string, body: FeedBody<K>): Promise<void> {
    this.version += 1;
    const record = { key, version: this.version, contract: 1, deleted: false, body };
    await writeRows(this.store, (tx) => FEED_ROWS[kind].apply(tx, { take: visibleTake(tx), ...record }));
  }

  /** A branch in South Africa, cut-off at 03:00, VAT included in its prices. */
  async settings(changes: Partial<FeedBody<'branch-settings'>> = {}): Promise<void> {
    await this.feed('tax-class', 'STD', { code: 'STD', components: [{ code: 'VAT15', ratePpm: 150_000 }] });
    await this.feed('branch-settings', 'settings', {
      code: this.box.branchCode,
      name: 'Sea Point',
      timeZone: 'Africa/Johannesburg',
      cutOffMinutes: 180,
      currency: 'ZAR',
      taxRounding: 'line',
      defaultTaxClass: null,
      priceZone: 'Z1',
      assortment: 'A1',
      region: 'CAPE',
      receiptName: 'Branchline',
      ...changes,
    });
  }

  async product(
    code: string,
    { minor, per = 1, ...changes }: { minor?: number; per?: number } & Partial<FeedBody<'product'>> = {},
  ): Promise<void> {
    await this.feed('product', code, {
      code,
      name: `Product ${code}`,
      category: null,
      department: null,
      brand: null,
      packSize: null,
      taxClass: 'STD',
      fractional: false,
      barcodes: [],
      active: true,
      ...changes,
    });
    if (minor !== undefined) await this.price(code, { minor, per });
  }

  async price(product: string, price: { minor: number; per: number }, validFrom = 0, validTo: number | null = null) {
    await this.feed('price', `${product}/${validFrom}`, { product, price, currency: 'ZAR', validFrom, validTo });
  }

  async operator(operator: string, role: string, changes: Partial<FeedBody<'operator'>> = {}): Promise<void> {
    await this.feed('operator', operator, {
      operator,
      name: `Operator ${operator}`,
      grants: [{ role, scope: 'branch', id: this.box.branch }],
      pinVerifier: await this.verifier(operator),
      active: true,
      ...changes,
    });
  }

  /** Hashing takes 40 ms; the same operator keeps the same PIN. */
  private async verifier(operator: string): Promise<string> {
    const known = this.verifiers.get(operator);
    if (known !== undefined) return known;
    const made = await this.hasher.hash(pepperedPin(this.box.pepper, operator, PIN));
    this.verifiers.set(operator, made);
    return made;
  }

  async deviceCode(code: string, till: string, expiresAt = this.clock.now() + 60_000): Promise<void> {
    await this.feed('device-code', hashToken(code), { codeHash: hashToken(code), till, expiresAt });
  }

  async device(till: string): Promise<TestDevice> {
    const code = `code-${v7()}`;
    await this.deviceCode(code, till);
    const { status, data } = await this.http.post('/devices/enrol', { code, name: `Browser of ${till}` });
    if (status !== 201) throw new Error(`enrolment: ${status} ${JSON.stringify(data)}`);
    return new TestDevice(this, data.deviceId, data.deviceToken, till);
  }

  /** A till with somebody signed in. */
  async till(till: string, operator: string): Promise<TestTill> {
    return (await this.device(till)).signIn(operator);
  }
}

export class TestDevice {
  constructor(
    readonly edge: EdgeHarness,
    readonly deviceId: string,
    readonly deviceToken: string,
    readonly till: string,
  ) {}

  pin(operator: string, pin = PIN): Promise<Answer> {
    return this.edge.http.post('/auth/pin', { operator, pin }, bearer(this.deviceToken));
  }

  async signIn(operator: string): Promise<TestTill> {
    const { status, data } = await this.pin(operator);
    if (status !== 200) throw new Error(`sign-in: ${status} ${JSON.stringify(data)}`);
    return new TestTill(this, data.accessToken, data.refreshToken);
  }

  batch(items: object[], changes: { till?: string; device?: string } = {}): Promise<Answer> {
    const { till = this.till, device = this.deviceId } = changes;
    return this.edge.http.post(`/tills/${till}/batch`, { device, items }, bearer(this.deviceToken));
  }
}

export class TestTill {
  constructor(
    readonly device: TestDevice,
    readonly accessToken: string,
    readonly refreshToken: string,
  ) {}

  get(path: string, params: object = {}): Promise<Answer> {
    return this.device.edge.http.get(path, { ...bearer(this.accessToken), params });
  }

  post(path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
    const { headers: authorization } = bearer(this.accessToken);
    return this.device.edge.http.post(path, body, { headers: { ...authorization, ...headers } });
  }

  sell(sale: object): Promise<Answer> {
    return this.post('/sales', sale);
  }

  openShift(shift: object = {}): Promise<Answer> {
    return this.post('/shifts', { id: v7(), drawer: `D${this.device.till}`, floatMinor: 10_000, ...shift });
  }
}

export function bearer(token: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** Two litres of milk at 19.99, paid in cash with 40.00. */
export function milkSale(changes: object = {}): { id: string } & Record<string, unknown> {
  return {
    id: v7(),
    lines: [{ lineNo: 1, product: 'MILK', quantity: 2 }],
    tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 4_000 }],
    ...changes,
  };
}

/** A line of an importer: three for 10.00 with 1.50 off for loyalty. */
export function importedSale(changes: object = {}): { id: string } & Record<string, unknown> {
  return {
    id: v7(),
    occurredAt: '2017-03-01T15:00:00.000Z',
    lines: [
      {
        lineNo: 1,
        product: '1093587',
        quantity: 3,
        price: { minor: 1000, per: 3 },
        priceSource: 'external',
        modifiers: [{ kind: 'loyalty', amountMinor: -150 }],
        information: [{ kind: 'manufacturer-coupon', amountMinor: 100 }],
      },
    ],
    tenders: [{ tenderNo: 1, type: 'card', amountMinor: 850 }],
    ...changes,
  };
}

import { businessDate } from '@branchline/domain/business-date.js';
import type { AxiosInstance } from 'axios';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JournalBuilder, SaleOptions } from './journal-builder.js';
import { TestBox } from './test-box.js';

const TIME_ZONE = 'Africa/Johannesburg';
const CUT_OFF_MINUTES = 240;

/** A store of a trial without an edge: its tills are told that a sale is done, its line goes to a real hub or is cut. */
export class FakeStore {
  line: 'up' | 'down' = 'up';
  private boxState: 'up' | 'down' = 'up';
  private sent = 0;
  private baskets = 0;
  private totalMinor = 0;

  private constructor(
    private readonly box: TestBox,
    private readonly journal: JournalBuilder,
    private readonly nowMs: () => number,
  ) {}

  static async open(url: string, api: AxiosInstance, branch: string, nowMs: () => number): Promise<FakeStore> {
    const box = await TestBox.enrol(url, api, branch);
    return new FakeStore(box, box.newJournal(), nowMs);
  }

  get today(): string {
    return businessDate(this.nowMs(), TIME_ZONE, CUT_OFF_MINUTES);
  }

  /** One sale, and off with it when there is a line. */
  async sell(options: SaleOptions = {}): Promise<void> {
    const sale = this.journal.sale({ businessDate: this.today, soldAtMs: this.nowMs(), ...options });
    this.baskets += 1;
    this.totalMinor += sale.totalMinor;
    await this.push();
  }

  /** As many of the same in one push. */
  async sellAll(count: number, options: SaleOptions): Promise<void> {
    const line = this.line;
    this.line = 'down';
    for (let nth = 0; nth < count; nth += 1) await this.sell(options);
    this.line = line;
    await this.push();
  }

  async poison(): Promise<void> {
    this.journal.append('sale', 'x', { not: 'a sale' });
    await this.push();
  }

  async seal(): Promise<void> {
    this.journal.daySeal(this.today);
    await this.push();
  }

  hello(): Promise<unknown> {
    const { incarnation, seq, headHash } = this.journal;
    return this.box.hello({ incarnations: [{ incarnation, seq, hash: headHash }] });
  }

  poll(headers: Record<string, string> = {}): Promise<{ status: number }> {
    return this.box.feed('tenant', headers);
  }

  async order(action: string): Promise<void> {
    if (action === 'cut') this.line = 'down';
    else if (action === 'restore') {
      this.line = 'up';
      await this.push();
    } else this.boxState = 'down';
  }

  boot(): void {
    this.boxState = 'up';
  }

  told(): Record<string, unknown> {
    const isUp = this.boxState === 'up';
    return {
      branch: this.box.branchCode,
      line: this.line,
      box: this.boxState,
      tillBaskets: this.baskets,
      tillTotalMinor: this.totalMinor,
      currency: 'ZAR',
      businessDate: this.today,
      queue: isUp ? this.journal.seq - this.sent : null,
      headSeq: isUp ? this.journal.seq : null,
      headHash: isUp ? this.journal.headHash : null,
      url: 'http://127.0.0.1:1/',
    };
  }

  private async push(): Promise<void> {
    if (this.line === 'down' || this.sent === this.journal.seq) return;
    const answer = await this.box.push(this.journal.push(this.sent + 1));
    if (answer.status !== 200) throw new Error(`push: ${answer.status} ${JSON.stringify(answer.data)}`);
    this.sent = this.journal.seq;
  }
}

/** The control that `npm start` serves, over stores of a spec. `orders` are those that came, as `POST B001 cut`. */
export class FakeTrial {
  readonly token = 'trial-token-of-a-spec';
  readonly stores = new Map<string, FakeStore>();
  readonly orders: string[] = [];
  /** When set, every request is answered with this. */
  failWith: number | null = null;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FakeTrial> {
    const server = createServer();
    const trial = new FakeTrial(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      trial.answer(request).then(
        ([status, body]) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        (error: Error) => response.writeHead(500).end(error.message),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return trial;
  }

  get place(): { url: string; token: string } {
    return { url: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`, token: this.token };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage): Promise<[number, object]> {
    request.resume();
    if (request.headers.authorization !== `Bearer ${this.token}`) return [401, {}];
    if (this.failWith !== null) return [this.failWith, {}];
    if (request.method === 'GET' && request.url === '/')
      return [200, { branches: [...this.stores.values()].map((store) => store.told()) }];
    const [, branch = '', action = ''] = /^\/branches\/(\w+)\/(cut|restore|kill)$/.exec(request.url ?? '') ?? [];
    const store = this.stores.get(branch);
    if (request.method !== 'POST' || !store) return [404, {}];
    this.orders.push(`${branch} ${action}`);
    await store.order(action);
    return [200, { ok: true }];
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';
import { z } from 'zod';
import { accepted, type Answer, type Ask, JsonClient, NoAnswer } from './json-client.js';

export interface TillOptions {
  /** Of the edge, or of a faulty line to it. */
  url: string;
  deviceToken: string;
  operator: string;
  pin: string;
  clock: Clock;
  chance: () => number;
  signal: AbortSignal;
  /** The last line of the journal that this till was told, as `incarnation;epoch;seq;hash`; absent: it keeps none. */
  seen?: () => string | null;
}

const enrolledSchema = z.looseObject({ deviceId: z.string(), deviceToken: z.string(), till: z.string() });
const sessionSchema = z.looseObject({ accessToken: z.string(), refreshToken: z.string(), expiresInS: z.number() });
const saleSchema = z.looseObject({
  id: z.string(),
  receiptNumber: z.string(),
  businessDate: z.string(),
  totalMinor: z.number(),
  journal: z.object({ incarnation: z.string(), epoch: z.number(), seq: z.number(), hash: z.string() }).optional(),
});
const batchSchema = z.looseObject({
  results: z.array(
    z.looseObject({
      id: z.string().nullable(),
      status: z.string(),
      code: z.string().optional(),
      receiptNumber: z.string().optional(),
    }),
  ),
});
export const dayFiguresSchema = z.looseObject({
  businessDate: z.string(),
  baskets: z.number(),
  lines: z.number(),
  units: z.number(),
  amountMinor: z.number(),
  discountMinor: z.number(),
  netMinor: z.number(),
  taxMinor: z.number(),
  totalMinor: z.number(),
});
const zSchema = z.looseObject({ zNumber: z.number(), byBusinessDate: z.array(dayFiguresSchema) });
const interimSchema = z.looseObject({
  tenders: z.array(z.looseObject({ tenderType: z.string(), expectedMinor: z.number() })),
});
export const syncStatusSchema = z.looseObject({
  incarnation: z.string().nullable(),
  epoch: z.number().nullable(),
  lastSeq: z.number(),
  appliedSeq: z.number(),
  headHash: z.string().nullable(),
  queue: z.number(),
  oldestQueuedAt: z.string().nullish(),
  line: z.enum(['up', 'down']),
});
const productSchema = z.looseObject({
  product: z.string(),
  department: z.string().nullable(),
  fractional: z.boolean(),
  active: z.boolean(),
  price: z.looseObject({ minor: z.number(), per: z.number() }).nullable(),
});
const productPageSchema = z.looseObject({ items: z.array(productSchema), next: z.string().nullable() });

export type Enrolled = z.output<typeof enrolledSchema>;
export type SaleAnswer = z.output<typeof saleSchema>;
export type DayFigures = z.output<typeof dayFiguresSchema>;
export type ZReport = z.output<typeof zSchema>;
export type SyncStatus = z.output<typeof syncStatusSchema>;
export type HandedOver = z.output<typeof batchSchema>['results'][number];
export type Declared = { tenderType: string; amountMinor: number }[];

/** A product that can be sold now. */
export interface ForSale {
  product: string;
  department: string | null;
  fractional: boolean;
  price: { minor: number; per: number };
}

export interface Sold {
  sale: SaleAnswer;
  /** How often it was posted. */
  tries: number;
  /** The answer that counted was the stored one. */
  replayed: boolean;
}

interface Tried {
  answer: Answer;
  tries: number;
}

/** An edge that was killed is back within seconds; after this the till gives up. */
const RETRY_MS_MAX = 90_000;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 500;
const PRODUCTS_PAGE = 500;
const BATCH_ITEMS = 100;
/** Renewed after this part of its life. */
const RENEW_AT = 0.7;
/** What passes: the edge is stopping, starting, or has too much to do. */
const PASSING = [429, 502, 503, 504];

/** A till at its edge: one operator, signed in by PIN; whatever it asks bears an id, so that it may be asked again. */
export class TillClient {
  private http: JsonClient;
  private access: { token: string; refreshToken: string; renewAtMs: number } | null = null;

  constructor(private readonly options: TillOptions) {
    this.http = new JsonClient(options.url, options.signal);
  }

  /** Trades a one-time code for a device token. The code came to the edge by feed, perhaps not yet: it is asked for again for a while. */
  static async enrol(url: string, code: string, name: string, signal: AbortSignal): Promise<Enrolled> {
    const http = new JsonClient(url, signal);
    try {
      for (let waitedMs = 0; ; waitedMs += PAUSE_MS_MAX) {
        const answer = await http.ask({ method: 'POST', path: '/v1/devices/enrol', body: { code, name } });
        const isOnItsWay = answer.status === 401 && waitedMs < RETRY_MS_MAX / 3;
        if (!isOnItsWay) return accepted('edge: device', answer, enrolledSchema);
        await pause(PAUSE_MS_MAX, undefined, { signal });
      }
    } finally {
      http.close();
    }
  }

  close(): void {
    this.http.close();
  }

  /** Between two requests: the edge is reached elsewhere now. */
  moveTo(url: string): void {
    this.http.close();
    this.http = new JsonClient(url, this.options.signal);
  }

  /** Signs in unless it is signed in, so that the next request needs nothing before it. */
  async ready(): Promise<void> {
    await this.validToken();
  }

  async openShift(shift: { id: string; drawer: string; floatMinor: number; occurredAt?: string }): Promise<void> {
    accepted(
      'edge: shift',
      (await this.persist({ method: 'POST', path: '/v1/shifts', body: shift })).answer,
      z.unknown(),
    );
  }

  async sell(sale: { id: string }): Promise<Sold> {
    const { answer, tries } = await this.persist({ method: 'POST', path: '/v1/sales', body: sale });
    return { sale: accepted(`edge: sale ${sale.id}`, answer, saleSchema), tries, replayed: answer.replayed };
  }

  /** Whether the edge has it, so that it need not be posted. */
  async hasSale(id: string): Promise<boolean> {
    const { answer } = await this.persist({ method: 'GET', path: `/v1/sales/${id}` });
    if (answer.status === 404) return false;
    return accepted(`edge: sale ${id}`, answer, saleSchema).id === id;
  }

  /** Sales that this till was told are done, to an edge that has them not: as they were asked for, with what was answered. */
  async handOver(
    { till, device }: { till: string; device: string },
    sales: readonly { request: { id: string }; answer: SaleAnswer }[],
  ): Promise<HandedOver[]> {
    const { deviceToken } = this.options;
    const results: HandedOver[] = [];
    for (let from = 0; from < sales.length; from += BATCH_ITEMS) {
      const items = sales
        .slice(from, from + BATCH_ITEMS)
        .map(({ request, answer }) => ({ kind: 'sale', ...request, told: answer }));
      const body = { device, items };
      const path = `/v1/tills/${till}/batch`;
      const answer = await this.persist({ method: 'POST', path, body, token: deviceToken });
      results.push(...accepted('edge: batch', answer.answer, batchSchema).results);
    }
    return results;
  }

  /** All that can be sold now, at what it costs now. */
  async shelf(): Promise<ForSale[]> {
    const found: ForSale[] = [];
    for (let after = ''; ;) {
      const path = `/v1/products?limit=${PRODUCTS_PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const { items, next } = accepted(
        'edge: products',
        (await this.persist({ method: 'GET', path })).answer,
        productPageSchema,
      );
      for (const { product, department, fractional, active, price } of items)
        if (active && price) found.push({ product, department, fractional, price });
      if (next === null) return found;
      after = next;
    }
  }

  async closeShift(id: string, declared: Declared): Promise<ZReport> {
    const { answer } = await this.persist({ method: 'POST', path: `/v1/shifts/${id}/close`, body: { declared } });
    return accepted(`edge: close of shift ${id}`, answer, zSchema);
  }

  /** The X report. */
  async interim(shiftId: string): Promise<z.output<typeof interimSchema>> {
    const { answer } = await this.persist({ method: 'GET', path: `/v1/shifts/${shiftId}/x` });
    return accepted(`edge: X of shift ${shiftId}`, answer, interimSchema);
  }

  async sealDay(businessDate: string): Promise<void> {
    const { answer } = await this.persist({ method: 'POST', path: `/v1/days/${businessDate}/seal` });
    accepted(`edge: seal of ${businessDate}`, answer, z.unknown());
  }

  /** The box contacts head office now. */
  async forceSync(): Promise<void> {
    const { answer } = await this.persist({ method: 'POST', path: '/v1/sync/force' });
    accepted('edge: force', answer, z.unknown());
  }

  async syncStatus(): Promise<SyncStatus> {
    const { answer } = await this.persist({ method: 'GET', path: '/v1/sync/status' });
    return accepted('edge: status', answer, syncStatusSchema);
  }

  /** Asks until there is an answer that stays: the same request, with the same id, through lost replies and restarts. */
  private async persist(request: Ask): Promise<Tried> {
    const { clock, signal } = this.options;
    const startedAtMs = clock.now();
    for (let tries = 1; ; tries += 1) {
      const answer = await this.askOnce(request);
      const isPassing = answer instanceof NoAnswer || PASSING.includes(answer.status);
      if (!isPassing) return { answer, tries };
      if (clock.now() - startedAtMs > RETRY_MS_MAX) {
        if (answer instanceof NoAnswer) throw answer;
        return { answer, tries };
      }
      await pause(this.pauseMs(tries), undefined, { signal });
    }
  }

  private async askOnce(asked: Ask): Promise<Answer | NoAnswer> {
    const request: Ask = { ...asked, seen: this.options.seen?.() ?? null };
    try {
      if (request.token !== undefined) return await this.http.ask(request);
      const answer = await this.http.ask({ ...request, token: await this.validToken() });
      if (answer.status !== 401) return answer;
      // The token was good by our clock: the edge was restored, or its clock is another one.
      this.access = null;
      return await this.http.ask({ ...request, token: await this.validToken() });
    } catch (error) {
      if (error instanceof NoAnswer) return error;
      throw error;
    }
  }

  /** Full jitter. */
  private pauseMs(tries: number): number {
    const roomMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** tries);
    return PAUSE_MS_MIN + this.options.chance() * (roomMs - PAUSE_MS_MIN);
  }

  private async validToken(): Promise<string> {
    if (this.access && this.options.clock.now() < this.access.renewAtMs) return this.access.token;
    const known = this.access?.refreshToken;
    this.access = null;
    if (known !== undefined) {
      const answer = await this.http.ask({ method: 'POST', path: '/v1/auth/refresh', body: { refreshToken: known } });
      if (answer.status === 200) return this.signedIn(answer);
    }
    const { operator, pin, deviceToken } = this.options;
    const body = { operator, pin };
    const answer = await this.http.ask({ method: 'POST', path: '/v1/auth/pin', body, token: deviceToken });
    return this.signedIn(answer);
  }

  private signedIn(answer: Answer): string {
    if (PASSING.includes(answer.status)) throw new NoAnswer(`sign-in: ${answer.status}`);
    const { accessToken, refreshToken, expiresInS } = accepted('edge: sign-in', answer, sessionSchema);
    const renewAtMs = this.options.clock.now() + expiresInS * 1000 * RENEW_AT;
    this.access = { token: accessToken, refreshToken, renewAtMs };
    return accessToken;
  }
}

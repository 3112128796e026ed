import type { Readable } from 'node:stream';
import type { Clock } from '@branchline/domain/clock.js';
import { z } from 'zod';
import { accepted, type Ask, JsonClient } from './json-client.js';

export interface Credentials {
  email: string;
  password: string;
}

/** Business dates, both included. */
export interface Dates {
  from: string;
  to: string;
}

const sessionSchema = z.looseObject({ accessToken: z.string(), refreshToken: z.string(), expiresInS: z.number() });
const importSchema = z.looseObject({
  rows: z.number(),
  created: z.number(),
  changed: z.number(),
  unchanged: z.number(),
  bad: z.array(z.looseObject({ line: z.number(), reason: z.string() })),
});
const salesRowSchema = z.looseObject({
  branch: z.string(),
  baskets: z.number(),
  lines: z.number(),
  units: z.number(),
  amountMinor: z.number(),
  discountMinor: z.number(),
  netMinor: z.number(),
  taxMinor: z.number(),
  totalMinor: z.number(),
});
const dayRowSchema = z.looseObject({
  branch: z.string(),
  businessDate: z.string(),
  baskets: z.number(),
  totalMinor: z.number(),
});
const modifierRowSchema = z.looseObject({
  branch: z.string(),
  modifierKind: z.string(),
  informational: z.boolean(),
  lines: z.number(),
  amountMinor: z.number(),
});
const fleetItemSchema = z.looseObject({
  branch: z.string(),
  incarnation: z.string().nullable(),
  epoch: z.number().nullable(),
  appliedSeq: z.number().nullable(),
  headHash: z.string().nullable(),
  quarantined: z.number(),
  sealedTo: z.string().nullable(),
  /** Up to where the box has proved its history; a hub of before does not say. */
  provedTo: z.looseObject({ seq: z.number() }).nullish(),
});

const boxesSchema = z.looseObject({
  items: z.array(z.looseObject({ box: z.string(), revokedAt: z.string().nullable() })),
});
const verificationSchema = z.looseObject({
  outcome: z.enum(['equal', 'differs']),
  differences: z.array(z.looseObject({ what: z.string(), detail: z.string() })),
});

export type ImportAnswer = z.output<typeof importSchema>;
export type SalesRow = z.output<typeof salesRowSchema>;
export type DayRow = z.output<typeof dayRowSchema>;
export type ModifierRow = z.output<typeof modifierRowSchema>;
export type FleetItem = z.output<typeof fleetItemSchema>;

const EVER: Dates = { from: '1970-01-01', to: '9999-12-31' };
const FLEET_PAGE = 200;
/** Renewed after this part of its life. */
const RENEW_AT = 0.7;

/** Head office at its screen: signs in with e-mail and password, keeps its access token fresh. */
export class HubClient {
  private readonly http: JsonClient;
  private access: { token: string; renewAtMs: number } | null = null;
  private renewal: Promise<string> | null = null;

  constructor(
    readonly url: string,
    private readonly credentials: Credentials,
    private readonly clock: Clock,
    signal: AbortSignal,
  ) {
    this.http = new JsonClient(url, signal, 300_000);
  }

  close(): void {
    this.http.close();
  }

  async create(
    what: 'regions' | 'price-zones' | 'assortments' | 'tax-classes' | 'branches',
    body: object,
  ): Promise<void> {
    await this.ask({ method: 'POST', path: `/v1/${what}`, body }, z.unknown());
  }

  async enrolmentCode(branch: string, request: { for: 'box' } | { for: 'device'; till: string }): Promise<string> {
    const path = `/v1/branches/${branch}/enrolment-codes`;
    return (await this.ask({ method: 'POST', path, body: request }, z.looseObject({ code: z.string() }))).code;
  }

  async addStaff(branch: string, staff: { operator: string; name: string; role: string; pin: string }): Promise<void> {
    await this.ask({ method: 'POST', path: `/v1/branches/${branch}/staff`, body: staff }, z.unknown());
  }

  /** @param csv the whole file, or a stream of it */
  importProducts(csv: string | Readable): Promise<ImportAnswer> {
    return this.ask({ method: 'POST', path: '/v1/imports/products', body: csv, contentType: 'text/csv' }, importSchema);
  }

  /** The branch's rows against its archived lines, and these against what its box signed. */
  verify(branch: string): Promise<z.output<typeof verificationSchema>> {
    return this.ask({ method: 'POST', path: `/v1/fleet/${branch}/verify` }, verificationSchema);
  }

  /** The boxes of a branch that may speak for it, the newest first. */
  async boxesOf(branch: string): Promise<string[]> {
    const { items } = await this.ask({ method: 'GET', path: `/v1/branches/${branch}/boxes` }, boxesSchema);
    return items.filter(({ revokedAt }) => revokedAt === null).map(({ box }) => box);
  }

  async revokeBox(branch: string, box: string): Promise<void> {
    await this.ask({ method: 'POST', path: `/v1/branches/${branch}/boxes/${box}/revoke` }, z.unknown());
  }

  /** A code that signs the same person in at the page, once. */
  async signInLink(): Promise<string> {
    const path = '/v1/auth/links';
    return (await this.ask({ method: 'POST', path }, z.looseObject({ code: z.string() }))).code;
  }

  salesByBranch(dates: Dates = EVER): Promise<{ rows: SalesRow[] }> {
    return this.report('branch', dates, salesRowSchema);
  }

  salesByDay(dates: Dates): Promise<{ rows: DayRow[] }> {
    return this.report('branch,businessDate', dates, dayRowSchema);
  }

  modifiersByBranch(dates: Dates = EVER): Promise<{ rows: ModifierRow[] }> {
    return this.report('branch,modifierKind', dates, modifierRowSchema);
  }

  /** All boxes of the tenant. */
  async fleet(): Promise<FleetItem[]> {
    const page = z.looseObject({ items: z.array(fleetItemSchema), next: z.string().nullable().optional() });
    const items: FleetItem[] = [];
    let after = '';
    for (;;) {
      const path = `/v1/fleet?limit=${FLEET_PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const answer = await this.ask({ method: 'GET', path }, page);
      items.push(...answer.items);
      if (!answer.next) return items;
      after = answer.next;
    }
  }

  private report<S extends z.ZodType>(groupBy: string, { from, to }: Dates, row: S): Promise<{ rows: z.output<S>[] }> {
    const path = `/v1/reports/sales?groupBy=${groupBy}&from=${from}&to=${to}`;
    return this.ask({ method: 'GET', path }, z.object({ rows: z.array(row) }));
  }

  private async ask<S extends z.ZodType>(request: Ask, schema: S): Promise<z.output<S>> {
    const token = await this.validToken();
    return accepted(`hub: ${request.method} ${request.path}`, await this.http.ask({ ...request, token }), schema);
  }

  private async validToken(): Promise<string> {
    if (this.access && this.clock.now() < this.access.renewAtMs) return this.access.token;
    // Many stores share one sign-in: the first renews for all.
    this.renewal ??= this.signIn().finally(() => (this.renewal = null));
    return this.renewal;
  }

  private async signIn(): Promise<string> {
    const askedAtMs = this.clock.now();
    const answer = await this.http.ask({ method: 'POST', path: '/v1/auth/login', body: this.credentials });
    const { accessToken, expiresInS } = accepted('hub: sign-in', answer, sessionSchema);
    this.access = { token: accessToken, renewAtMs: askedAtMs + expiresInS * 1000 * RENEW_AT };
    return accessToken;
  }
}

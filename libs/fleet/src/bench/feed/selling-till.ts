import { setTimeout as pause } from 'node:timers/promises';
import { v7 } from 'uuid';
import { z } from 'zod';
import { accepted, JsonClient } from '../../chain/json-client.js';
import { TillClient } from '../../chain/till-client.js';
import { OPERATOR, PIN } from './feed-chain.js';

const sessionSchema = z.looseObject({ accessToken: z.string() });
const TRY_AGAIN_MS = 20;

/** One till of a real edge, signed in and with a shift; what it sells costs what the edge says. */
export class SellingTill {
  private constructor(
    private readonly http: JsonClient,
    private readonly token: string,
  ) {}

  /** Waits for each thing that has to come from head office first. @param product that it can sell by then */
  static async open(url: string, code: string, product: string, signal: AbortSignal): Promise<SellingTill> {
    const http = new JsonClient(url, signal);
    const { deviceToken } = await untilDone(signal, () => TillClient.enrol(url, code, 'Till', signal));
    const pin = {
      method: 'POST',
      path: '/v1/auth/pin',
      body: { operator: OPERATOR, pin: PIN },
      token: deviceToken,
    } as const;
    const { accessToken } = await untilDone(signal, async () =>
      accepted('sign-in', await http.ask(pin), sessionSchema),
    );
    const till = new SellingTill(http, accessToken);
    const shift = { id: v7(), drawer: 'D1', floatMinor: 0 };
    await untilDone(signal, () => till.post('/v1/shifts', shift));
    await untilDone(signal, () => till.sell(product));
    return till;
  }

  /** @returns how long it took, in ms */
  async sell(product: string): Promise<number> {
    const startedMs = performance.now();
    const lines = [{ lineNo: 1, product, quantity: 1 }];
    await this.post('/v1/sales', { id: v7(), lines, tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 1_000_000 }] });
    return performance.now() - startedMs;
  }

  close(): void {
    this.http.close();
  }

  private async post(path: string, body: object): Promise<void> {
    accepted(path, await this.http.ask({ method: 'POST', path, body, token: this.token }), z.unknown());
  }
}

async function untilDone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw error;
      await pause(TRY_AGAIN_MS, undefined, { signal });
    }
  }
}

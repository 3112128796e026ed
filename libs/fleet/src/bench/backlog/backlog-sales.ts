import { v7 } from 'uuid';
import { z } from 'zod';
import { accepted, JsonClient } from '../../chain/json-client.js';
import { chanceFrom } from '../edge/chance.js';
import { type FiveLineSale, fiveLineSale } from '../edge/five-line-sale.js';
import type { TradingEdge } from '../edge/trading-edge.js';

export interface Backlog {
  sales: number;
  /** It ends now, and is of so many days. */
  days: number;
  /** From 1 to below 500. */
  seed: number;
}

const DAY_MS = 24 * 3_600_000;
/** As many as the edge takes at once. */
const BATCH_ITEMS = 200;
const HANDED_IN_MS_MAX = 60_000;

type Maker = Pick<TradingEdge, 'products' | 'operator'>;
type FinishedLine = FiveLineSale['lines'][number] & { price: { minor: number; per: 1 }; priceSource: 'external' };
type FinishedSale = Omit<FiveLineSale, 'lines'> & { kind: 'sale'; operator: string; lines: FinishedLine[] };

/** What one till has sold in that time, evenly through the days, as it is handed in: each at the price that it was sold for. */
export function* backlogOfTill(
  till: string,
  { sales, days, seed }: Backlog,
  { products, operator }: Maker,
  nowMs: number,
): Generator<FinishedSale> {
  const chance = chanceFrom(seed);
  const prices = new Map(products.map(({ product, priceMinor }) => [product, priceMinor]));
  const stepMs = (days * DAY_MS) / sales;
  for (let no = 1; no <= sales; no += 1) {
    const occurredAtMs = Math.floor(nowMs - (sales - no + 1) * stepMs);
    const day = new Date(occurredAtMs).toISOString().slice(0, 10).replaceAll('-', '');
    const deviceReference = `${till}-${day}-${seed * 1_000_000 + no}`;
    const sale = fiveLineSale({ id: v7({ msecs: occurredAtMs }), deviceReference, occurredAtMs, products, chance });
    const lines = sale.lines.map((line): FinishedLine => {
      const minor = prices.get(line.product) ?? 0;
      return { ...line, price: { minor, per: 1 }, priceSource: 'external' };
    });
    yield { kind: 'sale', operator, ...sale, lines };
  }
}

const takenSchema = z.looseObject({
  results: z.array(z.looseObject({ status: z.string(), code: z.string().optional() })),
});

/**
 * Fills the edge's own journal: its tills, cut off from it for a month, hand in what they have sold.
 * @returns the ids of the sales
 */
export async function handInBacklog(edge: TradingEdge, backlog: Backlog, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  const nowMs = Date.now();
  const perTill = Math.ceil(backlog.sales / edge.tills.length);
  const http = new JsonClient(edge.box.url, signal, HANDED_IN_MS_MAX);
  const handIn = async ({ till, deviceId, deviceToken }: TradingEdge['tills'][number], at: number): Promise<void> => {
    const sales = Math.min(perTill, backlog.sales - at * perTill);
    const path = `/v1/tills/${till}/batch`;
    const send = async (items: FinishedSale[]): Promise<void> => {
      for (const { id } of items) ids.push(id);
      const body = { device: deviceId, items };
      const answer = await http.ask({ method: 'POST', path, body, token: deviceToken });
      const { results } = accepted('edge: batch', answer, takenSchema);
      const refused = results.find(({ status }) => status !== 'accepted');
      if (refused) throw new Error(`edge: a sale of the backlog is ${refused.status}: ${refused.code}`);
    };
    let items: FinishedSale[] = [];
    for (const sale of backlogOfTill(
      till,
      { ...backlog, sales, seed: backlog.seed * edge.tills.length + at },
      edge,
      nowMs,
    )) {
      if (items.push(sale) < BATCH_ITEMS) continue;
      await send(items);
      items = [];
    }
    if (items.length > 0) await send(items);
  };
  try {
    await Promise.all(edge.tills.map(handIn));
    return ids;
  } finally {
    http.close();
  }
}

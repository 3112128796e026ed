import { v7 } from 'uuid';
import type { DemoProduct } from '../../demo/demo-chain.js';
import { quantile } from '../bench.js';
import { serveQuestions } from '../helper-process.js';
import { chanceFrom } from './chance.js';
import { fiveLineSale } from './five-line-sale.js';
import { type LoadFigures, postRequest, runLoad } from './http-load.js';

export interface SalesLoad {
  host: string;
  port: number;
  tills: readonly { till: string; token: string }[];
  clients: number;
  /** By all clients together. */
  sales: number;
  products: readonly DemoProduct[];
  /** Number of the first sale in its till's day: no two loads of a run have one in common. */
  firstNumber: number;
}

export interface SalesFigures {
  elapsedMs: number;
  latencyMsP50: number;
  latencyMsP99: number;
  /** What the load itself took of the machine while it ran. */
  cpuMs: number;
}

/** Sells, as many tills at once as there are clients. The baskets are made before the clock starts. */
serveQuestions<SalesLoad, SalesFigures>(async (load) => {
  const clients = requestsOf(load);
  const before = process.cpuUsage();
  const figures: LoadFigures = await runLoad({ host: load.host, port: load.port, clients, statusExpected: 201 });
  const { user, system } = process.cpuUsage(before);
  return {
    elapsedMs: figures.elapsedMs,
    latencyMsP50: quantile(figures.latenciesMs, 0.5),
    latencyMsP99: quantile(figures.latenciesMs, 0.99),
    cpuMs: (user + system) / 1000,
  };
});

function requestsOf({ tills, clients, sales, products, firstNumber }: SalesLoad): Buffer[][] {
  const chance = chanceFrom(firstNumber);
  const occurredAtMs = Date.now();
  const day = new Date(occurredAtMs).toISOString().slice(0, 10).replaceAll('-', '');
  const requests: Buffer[][] = Array.from({ length: clients }, () => []);
  for (let at = 0; at < sales; at += 1) {
    const device = tills[(at % clients) % tills.length];
    if (!device) throw new Error('a load without tills');
    const deviceReference = `${device.till}-${day}-${String(firstNumber + at).padStart(6, '0')}`;
    const sale = fiveLineSale({ id: v7(), deviceReference, occurredAtMs, products, chance });
    requests[at % clients]?.push(postRequest('/v1/sales', device.token, JSON.stringify(sale)));
  }
  return requests;
}

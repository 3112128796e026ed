import { join } from 'node:path';
import { endpointOf } from '../../chain/edge-box.js';
import { type Bench, type BenchContext, type BenchRow, benchRow } from '../bench.js';
import { HelperProcess } from '../helper-process.js';
import { inRounds } from '../rounds.js';
import type { BareFigures, BareLoop } from './bare-main.js';
import type { SalesFigures, SalesLoad } from './load-main.js';
import { edgeFigure } from './edge-figure.js';
import { inTradingEdge, type TradingEdge } from './trading-edge.js';

const CLIENTS = 32;
const TILLS = 8;
const SALES_A_ROUND = 4_000;
const SALES_ALONE = 500;
const WARM_UP_SALES = 4_000;
const GROUP = 8;

/** B-1: finished sales of five lines over HTTP, next to the least that keeps the same rows. */
export const edgeBench: Bench = (context) =>
  inTradingEdge(context, TILLS, async (edge) => {
    const load = HelperProcess.start<SalesLoad, SalesFigures>('edge/load-main');
    const bare = HelperProcess.start<BareLoop, BareFigures>('edge/bare-main');
    try {
      await edge.stopHub();
      return await new EdgeBench(context, edge, load, bare).measure();
    } finally {
      await load.close();
      await bare.close();
    }
  });

class EdgeBench {
  private firstNumber = 1;
  /** Per round of 32 clients. */
  private readonly crowd: (SalesFigures & { edgeCpuMs: number })[] = [];
  private readonly alone: SalesFigures[] = [];

  constructor(
    private readonly context: BenchContext,
    private readonly edge: TradingEdge,
    private readonly load: HelperProcess<SalesLoad, SalesFigures>,
    private readonly bare: HelperProcess<BareLoop, BareFigures>,
  ) {}

  async measure(): Promise<BenchRow[]> {
    this.context.note(`warming up with ${WARM_UP_SALES} sales`);
    await this.sell(CLIENTS, WARM_UP_SALES);
    const perSecond = await inRounds(this.context, {
      crowd: () => this.sellAsCrowd(),
      'one at a time': () => this.keepBare(1),
      [`groups of ${GROUP}`]: () => this.keepBare(GROUP),
      alone: () => this.sellAlone(),
    });
    const samples = perSecond['crowd'] ?? [];
    const what = `finished 5-line sales over HTTP, ${CLIENTS} clients`;
    const bareWhat = 'bare better-sqlite3, the same rows, synchronous=FULL';
    return [
      benchRow({
        what,
        unit: 'sales/s',
        samples,
        yardstick: { what: `${bareWhat}, one sale a commit`, samples: perSecond['one at a time'] ?? [] },
        goal: { of: 'ratio', atLeast: 1.25 },
      }),
      benchRow({
        what: `${what}, against groups`,
        unit: 'sales/s',
        samples,
        yardstick: { what: `${bareWhat}, ${GROUP} sales a commit`, samples: perSecond[`groups of ${GROUP}`] ?? [] },
        goal: { of: 'ratio', atLeast: 0.5 },
      }),
      ...this.sideRows(),
    ];
  }

  private sideRows(): BenchRow[] {
    const { crowd, alone } = this;
    const perSaleUs = (cpuMs: number): number => (cpuMs * 1000) / SALES_A_ROUND;
    return [
      benchRow({
        what: `a sale among ${CLIENTS} clients, p50`,
        unit: 'ms',
        samples: crowd.map((one) => one.latencyMsP50),
      }),
      benchRow({
        what: `a sale among ${CLIENTS} clients, p99`,
        unit: 'ms',
        samples: crowd.map((one) => one.latencyMsP99),
      }),
      benchRow({ what: 'a sale of one client alone, p50', unit: 'ms', samples: alone.map((one) => one.latencyMsP50) }),
      benchRow({ what: 'a sale of one client alone, p99', unit: 'ms', samples: alone.map((one) => one.latencyMsP99) }),
      benchRow({
        what: 'processor time of the edge for a sale',
        unit: 'µs',
        samples: crowd.map((one) => perSaleUs(one.edgeCpuMs)),
      }),
      benchRow({
        what: 'processor time of the load for a sale',
        unit: 'µs',
        samples: crowd.map((one) => perSaleUs(one.cpuMs)),
      }),
    ];
  }

  private async sellAsCrowd(): Promise<number> {
    const before = await this.edgeCpuMs();
    const figures = await this.sell(CLIENTS, SALES_A_ROUND);
    this.crowd.push({ ...figures, edgeCpuMs: (await this.edgeCpuMs()) - before });
    return SALES_A_ROUND / (figures.elapsedMs / 1000);
  }

  private async sellAlone(): Promise<number> {
    const figures = await this.sell(1, SALES_ALONE);
    this.alone.push(figures);
    return SALES_ALONE / (figures.elapsedMs / 1000);
  }

  private async sell(clients: number, sales: number): Promise<SalesFigures> {
    const { edge, context } = this;
    const { host, port } = endpointOf(edge.box.url);
    const { firstNumber } = this;
    this.firstNumber += sales;
    const tills = await edge.signIn();
    return this.load.ask({ host, port, tills, clients, sales, products: edge.products, firstNumber }, context.signal);
  }

  private async keepBare(group: number): Promise<number> {
    const { context, edge } = this;
    const to = join(context.dataDir, `bare-${group}.db`);
    const { elapsedMs } = await this.bare.ask(
      { from: edge.databaseFile, to, sales: SALES_A_ROUND, group },
      context.signal,
    );
    return SALES_A_ROUND / (elapsedMs / 1000);
  }

  private async edgeCpuMs(): Promise<number> {
    return (await edgeFigure(this.edge.box, 'process_cpu_seconds_total', this.context.signal)) * 1000;
  }
}

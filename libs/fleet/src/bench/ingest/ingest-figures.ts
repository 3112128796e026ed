import { type BenchRow, benchRow } from '../bench.js';

export interface IngestLoad {
  boxes: number;
  salesAPush: number;
  /** Of each box. */
  pushesARound: number;
}

/** What one subject took for one round. CPU time: null where the machine does not say. */
export interface Spent {
  seconds: number;
  sales: number;
  walBytes: number;
  tableBytes: number;
  postgresUs: number | null;
  hubUs: number | null;
}

/**
 * `bareKeyed`: COPY into tables with their primary keys; `bare`: into tables without any index; `laidKeyed`: of the rows as
 * the hub lays them, fewer and packed, into tables with their primary keys.
 */
export type Measured = Record<'hub' | 'bareKeyed' | 'bare' | 'laidKeyed', Spent[]>;

const KEYED = 'COPY of the bare rows, primary keys kept';

export function rowsOf({ boxes, salesAPush }: IngestLoad, measured: Measured): BenchRow[] {
  const perSecond = (subject: keyof Measured): number[] =>
    measured[subject].map(({ sales, seconds }) => sales / seconds);
  const perSale = (subject: keyof Measured, figure: 'walBytes' | 'tableBytes' | 'postgresUs' | 'hubUs'): number[] =>
    measured[subject].flatMap((spent) => (spent[figure] === null ? [] : spent[figure] / spent.sales));
  const beside = (figure: 'walBytes' | 'tableBytes' | 'postgresUs', what: string, unit: string): BenchRow[] => {
    const samples = perSale('hub', figure);
    if (samples.length === 0) return [];
    return [benchRow({ what, unit, samples, yardstick: { what: KEYED, samples: perSale('bareKeyed', figure) } })];
  };
  const what = `5-line sales taken in over HTTP, ${boxes} boxes, ${salesAPush} a push`;
  const samples = perSecond('hub');
  const hubUs = perSale('hub', 'hubUs');
  return [
    benchRow({
      what,
      unit: 'sales/s',
      samples,
      yardstick: { what: KEYED, samples: perSecond('bareKeyed') },
      goal: { of: 'ratio', atLeast: 0.5 },
    }),
    benchRow({
      what: 'the same, next to tables without an index',
      unit: 'sales/s',
      samples,
      yardstick: { what: 'COPY of the bare rows into tables without any index', samples: perSecond('bare') },
    }),
    benchRow({
      what: 'the same, next to rows laid as the hub lays them',
      unit: 'sales/s',
      samples,
      yardstick: { what: 'COPY of the rows as the hub lays them, primary keys kept', samples: perSecond('laidKeyed') },
    }),
    ...beside('postgresUs', 'CPU time of PostgreSQL', 'µs/sale'),
    ...(hubUs.length === 0 ? [] : [benchRow({ what: 'CPU time of the hub process', unit: 'µs/sale', samples: hubUs })]),
    ...beside('walBytes', 'WAL written', 'B/sale'),
    ...beside('tableBytes', 'tables and indexes grown', 'B/sale'),
  ];
}

import Database from 'better-sqlite3';

export interface SaleFact {
  id: string;
  receiptNumber: string;
  totalMinor: number;
  seq: number;
}

export interface EdgeFacts {
  sales: readonly SaleFact[];
  /** Of the journal's line; null when there is none. */
  hashAt(seq: number): string | null;
  /** What does not add up in the file itself. */
  complaints: string[];
}

const SALES = `SELECT id, receipt_number AS receiptNumber, total_minor AS totalMinor, seq FROM sale ORDER BY no`;
/** Each counts what must not be; kept as text, so that a complaint names it. */
const NEVER: Readonly<Record<string, string>> = {
  'histories beside the first': 'SELECT count(*) - 1 FROM incarnation',
  'sales whose tenders less change are not their total': `
    SELECT count(*) FROM sale s WHERE s.total_minor <>
      (SELECT coalesce(sum(t.amount_minor), 0) FROM tender_entry t WHERE t.sale_no = s.no)`,
  'tills whose grand total is not the sum of their sales': `
    SELECT count(*) FROM till_total t WHERE t.grand_total_minor <>
      (SELECT coalesce(sum(s.total_minor), 0) FROM sale s WHERE s.till = t.till)`,
  'products whose stock is not the sum of its movements': `
    SELECT count(*) FROM stock_balance b WHERE b.on_hand_milli <>
      (SELECT coalesce(sum(m.quantity_milli), 0) FROM stock_movement m WHERE m.product = b.product)`,
};

/** One look into an edge's file, while the edge goes on writing it. */
export function readEdgeFacts(file: string): EdgeFacts {
  const database = new Database(file, { readonly: true, fileMustExist: true });
  try {
    return database.transaction((): EdgeFacts => {
      const sales = database.prepare<[], SaleFact>(SALES).all();
      const hashes = new Map(
        database
          .prepare<[], { seq: number; hash: Buffer }>('SELECT seq, hash FROM journal')
          .all()
          .map(({ seq, hash }) => [seq, hash]),
      );
      const counts = Object.entries(NEVER).map(([what, sql]) => ({
        what,
        count: Number(database.prepare(sql).pluck().get()),
      }));
      const odd = counts.filter(({ count }) => count !== 0).map(({ what, count }) => `${count} ${what}`);
      return {
        sales,
        hashAt: (seq) => hashes.get(seq)?.toString('hex') ?? null,
        complaints: [...odd, ...numberComplaints(sales.map(({ receiptNumber }) => receiptNumber))],
      };
    })();
  } finally {
    database.close();
  }
}

/** Of each till and epoch 1, 2, 3 … to the last. */
export function numberComplaints(receiptNumbers: readonly string[]): string[] {
  const series = new Map<string, number[]>();
  for (const receiptNumber of receiptNumbers) {
    const cut = receiptNumber.lastIndexOf('-');
    const name = receiptNumber.slice(0, cut);
    series.set(name, [...(series.get(name) ?? []), Number(receiptNumber.slice(cut + 1))]);
  }
  const isWhole = (numbers: readonly number[]): boolean =>
    [...numbers].sort((a, b) => a - b).every((number, index) => number === index + 1);
  return [...series]
    .filter(([, numbers]) => !isWhole(numbers))
    .map(([name]) => `numbers of ${name} with gaps or twice`);
}

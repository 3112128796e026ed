import Sqlite from 'better-sqlite3';
import type { Basket, BasketLine, JourneyProduct } from './journey.js';

/** What all rows of a basket agree on. */
export type BasketHead = Pick<Basket, 'store' | 'household' | 'basket' | 'occurredAtMs' | 'line'>;

export interface CarriedProduct extends JourneyProduct {
  /** Those of the chosen stores that sell it, in their order. */
  stores: string[];
  /** Sold in fractions by one of them. */
  fractional: boolean;
}

const CACHE_KIB = 8_192;

const TABLES = `
CREATE TABLE product (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, category TEXT, department TEXT, brand TEXT);
CREATE TABLE basket (no INTEGER PRIMARY KEY, basket TEXT NOT NULL UNIQUE, store TEXT NOT NULL, household TEXT NOT NULL,
  at_ms INTEGER NOT NULL, line INTEGER NOT NULL);
CREATE TABLE basket_line (no INTEGER PRIMARY KEY, basket INTEGER NOT NULL, product TEXT NOT NULL, quantity_milli INTEGER NOT NULL,
  net_minor INTEGER NOT NULL, retail_disc_minor INTEGER NOT NULL, coupon_disc_minor INTEGER NOT NULL, coupon_match_minor INTEGER NOT NULL);
CREATE TABLE bad_basket (basket TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE chosen (position INTEGER PRIMARY KEY, store TEXT NOT NULL);
CREATE TABLE carried (product TEXT NOT NULL, position INTEGER NOT NULL, fractional INTEGER NOT NULL, PRIMARY KEY (product, position)) WITHOUT ROWID;`;

const SETTLE = `
CREATE INDEX basket_line_of ON basket_line (basket);
DELETE FROM basket WHERE basket IN (SELECT basket FROM bad_basket) OR NOT EXISTS (SELECT 1 FROM basket_line l WHERE l.basket = basket.no);
CREATE INDEX basket_of ON basket (store, at_ms, line);`;

/** A product that the file of products does not have gets a name of its own; it is listed if one of the chosen stores sells it. */
const NAME_UNKNOWN = `
UPDATE basket_line SET product = 'UNKNOWN-' || product WHERE NOT EXISTS (SELECT 1 FROM product p WHERE p.id = basket_line.product)`;

const CARRIED = `
INSERT INTO carried
SELECT l.product, c.position, max(l.quantity_milli % 1000 <> 0)
  FROM chosen c JOIN basket b ON b.store = c.store JOIN basket_line l ON l.basket = b.no GROUP BY l.product, c.position`;

const UNKNOWN = `
SELECT DISTINCT c.product FROM carried c WHERE NOT EXISTS (SELECT 1 FROM product p WHERE p.id = c.product) ORDER BY c.product`;

const PRODUCTS = `
SELECT p.id, p.name, p.category, p.department, p.brand, max(c.fractional) AS fractional,
       group_concat(s.store, '|' ORDER BY s.position) AS stores
  FROM product p LEFT JOIN carried c ON c.product = p.id LEFT JOIN chosen s ON s.position = c.position
 GROUP BY p.no ORDER BY p.no`;

/** Baskets of one moment stay in the order of the file. */
const BASKETS_OF = `
SELECT b.basket, b.store, b.household, b.at_ms AS occurredAtMs, b.line, l.product, l.quantity_milli AS quantityMilli,
       l.net_minor AS netMinor, l.retail_disc_minor AS retailDiscMinor, l.coupon_disc_minor AS couponDiscMinor,
       l.coupon_match_minor AS couponMatchMinor
  FROM basket b JOIN basket_line l ON l.basket = b.no WHERE b.store = ? ORDER BY b.at_ms, b.line, l.no`;

type ProductRow = JourneyProduct & { fractional: number | null; stores: string | null };

/**
 * The data set, one store at a time: its files are ordered by time, not by store, and the memory of a replay is not to grow with
 * them. A temporary database that SQLite keeps on disk beyond a few MiB and the machine removes when we end, however we end.
 */
export class JourneyIndex {
  private readonly database = new Sqlite('');
  private readonly statements = new Map<string, Sqlite.Statement<unknown[]>>();

  constructor() {
    this.database.pragma('journal_mode = OFF');
    this.database.pragma(`cache_size = -${CACHE_KIB}`);
    this.database.exec(TABLES);
    this.database.exec('BEGIN');
  }

  /** @returns false when it is there already */
  addProduct({ id, name, category, department, brand }: JourneyProduct): boolean {
    const sql = 'INSERT OR IGNORE INTO product (id, name, category, department, brand) VALUES (?, ?, ?, ?, ?)';
    return this.prepare(sql).run(id, name, category, department, brand).changes === 1;
  }

  product(id: string): JourneyProduct | undefined {
    const sql = 'SELECT id, name, category, department, brand FROM product WHERE id = ?';
    return this.prepare(sql).get(id) as JourneyProduct | undefined;
  }

  basket(id: string): BasketHead | undefined {
    const sql = 'SELECT basket, store, household, at_ms AS occurredAtMs, line FROM basket WHERE basket = ?';
    return this.prepare(sql).get(id) as BasketHead | undefined;
  }

  addBasket({ basket, store, household, occurredAtMs, line }: BasketHead): void {
    const sql = 'INSERT INTO basket (basket, store, household, at_ms, line) VALUES (?, ?, ?, ?, ?)';
    this.prepare(sql).run(basket, store, household, occurredAtMs, line);
  }

  addLine(basket: string, line: BasketLine): void {
    const { product, quantityMilli, netMinor, retailDiscMinor, couponDiscMinor, couponMatchMinor } = line;
    const sql = `INSERT INTO basket_line
      (basket, product, quantity_milli, net_minor, retail_disc_minor, coupon_disc_minor, coupon_match_minor)
      SELECT no, ?, ?, ?, ?, ?, ? FROM basket WHERE basket = ?`;
    const amounts = [netMinor, retailDiscMinor, couponDiscMinor, couponMatchMinor];
    this.prepare(sql).run(product, quantityMilli, ...amounts, basket);
  }

  /** None of its rows counts, before or after. */
  spoil(basket: string): void {
    this.prepare('INSERT OR IGNORE INTO bad_basket VALUES (?)').run(basket);
  }

  /** After the last row: baskets that are bad or empty go. @returns how many each store has */
  settle(): Map<string, number> {
    this.database.exec(SETTLE);
    const rows = this.prepare('SELECT store, count(*) AS baskets FROM basket GROUP BY store').all() as {
      store: string;
      baskets: number;
    }[];
    return new Map(rows.map(({ store, baskets }) => [store, baskets]));
  }

  /** After `settle`, once. @returns the codes of products that these stores sell and the file does not have */
  choose(stores: readonly string[]): string[] {
    const chosen = this.prepare('INSERT INTO chosen VALUES (?, ?)');
    for (const [position, store] of stores.entries()) chosen.run(position, store);
    this.database.exec(NAME_UNKNOWN);
    this.database.exec(CARRIED);
    const unknown = (this.prepare(UNKNOWN).all() as { product: string }[]).map(({ product }) => product);
    for (const id of unknown) this.addProduct({ id, name: id, category: null, department: null, brand: null });
    this.database.exec('COMMIT');
    return unknown;
  }

  get productCount(): number {
    return (this.prepare('SELECT count(*) AS count FROM product').get() as { count: number }).count;
  }

  /** All of the file, then those it does not have. */
  *products(): Generator<CarriedProduct> {
    for (const { fractional, stores, ...product } of this.prepare(PRODUCTS).iterate() as Iterable<ProductRow>) {
      yield { ...product, fractional: fractional === 1, stores: stores?.split('|') ?? [] };
    }
  }

  /** In time order. */
  basketsOf(store: string): Basket[] {
    const baskets: Basket[] = [];
    for (const row of this.prepare(BASKETS_OF).iterate(store) as Iterable<Omit<Basket, 'lines'> & BasketLine>) {
      const { basket, store: of, household, occurredAtMs, line, ...rest } = row;
      if (baskets.at(-1)?.basket !== basket)
        baskets.push({ store: of, household, basket, occurredAtMs, line, lines: [] });
      baskets.at(-1)?.lines.push(rest);
    }
    return baskets;
  }

  close(): void {
    this.database.close();
  }

  private prepare(sql: string): Sqlite.Statement<unknown[]> {
    const known = this.statements.get(sql);
    if (known) return known;
    const statement = this.database.prepare<unknown[]>(sql);
    this.statements.set(sql, statement);
    return statement;
  }
}

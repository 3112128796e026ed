import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What follows from the lines of a sale is read from them: ten of its rows said a second time what its five lines say, and
 * cost a quarter of all that PostgreSQL did for it.
 */
export class DerivedRows implements MigrationInterface {
  readonly name = 'derived-rows-0000000000008';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [...MOVEMENTS, ...TAXES]) await runner.query(sql);
    for (const view of ['stock_movement', 'sale_tax']) {
      await runner.query(`REVOKE ALL ON ${view} FROM PUBLIC`);
      await runner.query(`GRANT SELECT ON ${view} TO branchline_app`);
    }
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** By the rule of `movementsOfSale`. A view of the one who asks: the wall between tenants is that of its tables. */
const MOVEMENTS = [
  'DROP TABLE stock_movement',
  `CREATE VIEW stock_movement WITH (security_invoker = true) AS
   SELECT l.tenant_id, l.branch_id, l.sale_id AS source_id, l.line_no AS movement_no, l.product, -l.quantity_milli AS quantity_milli,
     'sale'::text AS reason, s.business_date
   FROM sale_line l JOIN sale s ON s.branch_id = l.branch_id AND s.id = l.sale_id`,
];

/** Nearly every line has one tax, which is all of its `tax_minor`: that is told by the line. Others have their rows. */
const TAXES = [
  'ALTER TABLE sale_tax RENAME TO sale_line_tax',
  'ALTER TABLE sale_line_tax RENAME CONSTRAINT pk_sale_tax TO pk_sale_line_tax',
  // Null: none, or several, or one that is not all.
  'ALTER TABLE sale_line ADD tax_code text, ADD tax_rate_ppm bigint NOT NULL DEFAULT 0',
  'ALTER TABLE sale_line ALTER tax_rate_ppm DROP DEFAULT',
  // Their wall stands before their owner too.
  'ALTER TABLE sale_line NO FORCE ROW LEVEL SECURITY',
  'ALTER TABLE sale_line_tax NO FORCE ROW LEVEL SECURITY',
  `UPDATE sale_line l SET tax_code = t.code, tax_rate_ppm = t.rate_ppm FROM sale_line_tax t
   WHERE t.branch_id = l.branch_id AND t.sale_id = l.sale_id AND t.line_no = l.line_no AND t.amount_minor = l.tax_minor
     AND NOT EXISTS (SELECT FROM sale_line_tax o
       WHERE o.branch_id = t.branch_id AND o.sale_id = t.sale_id AND o.line_no = t.line_no AND o.tax_no <> t.tax_no)`,
  `DELETE FROM sale_line_tax t USING sale_line l
   WHERE l.branch_id = t.branch_id AND l.sale_id = t.sale_id AND l.line_no = t.line_no AND l.tax_code IS NOT NULL`,
  'ALTER TABLE sale_line FORCE ROW LEVEL SECURITY',
  'ALTER TABLE sale_line_tax FORCE ROW LEVEL SECURITY',
  `CREATE VIEW sale_tax WITH (security_invoker = true) AS
   SELECT tenant_id, branch_id, sale_id, line_no, 1 AS tax_no, tax_code AS code, tax_rate_ppm AS rate_ppm, tax_minor AS amount_minor
   FROM sale_line WHERE tax_code IS NOT NULL
   UNION ALL SELECT tenant_id, branch_id, sale_id, line_no, tax_no, code, rate_ppm, amount_minor FROM sale_line_tax`,
];

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What stands for the archive can be made anew from it; by the owner of the tables alone, tenant by tenant. */
export class Rebuild implements MigrationInterface {
  readonly name = 'rebuild-0000000000016';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of REBUILT) await runner.query(policyOn(table));
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const REBUILT = [
  ...['sale', 'sale_line', 'sale_modifier', 'sale_line_tax', 'sale_tender', 'sale_alias', 'sale_exception'],
  ...['shift', 'shift_close', 'shift_tender', 'day_seal', 'device', 'customer_edit', 'stock_balance'],
  ...['sales_by_hour', 'sales_by_product', 'sales_by_tender', 'sales_by_operator', 'sales_by_modifier'],
];

/** The wall is the same: without a tenant in the session the owner sees none of them. */
const policyOn = (table: string): string => `CREATE POLICY owner_rebuilds ON ${table} TO CURRENT_USER
  USING (tenant_id = (SELECT nullif(current_setting('branchline.tenant_id', true), '')::uuid))`;

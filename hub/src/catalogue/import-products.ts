import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { contractOfRecord } from '@branchline/replication/contracts.js';
import { recordAudit } from '../audit/record-audit.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { TENANT_SCOPE } from '../feed/scopes.js';
import type { Known } from './import-row.js';
import * as sql from './import-statements.js';
import { BadLines, badRows, columnsOfFile, readImport, type BadLine } from './read-import.js';

export type ImportAnswer = {
  /** Lines with data, good and bad. */
  rows: number;
  created: number;
  changed: number;
  unchanged: number;
  bad: BadLine[];
  /** How many are bad; `bad` shows the first thousand. */
  badCount: number;
  /** Under which all of it becomes visible together; null when nothing was written. */
  release: string | null;
};

export type ImportInput = {
  tenantId: string;
  createdBy: string;
  actor: string;
  file: Buffer;
  dryRun: boolean;
  skipBad: boolean;
};
export type ImportParts = { database: Database; clock: Clock; newId: NewId };

const STATEMENT_MS_MAX = 300_000;

/**
 * Takes a file of products and prices in one transaction and publishes it as one release. A dry run decides all of it and writes none.
 *
 * @throws Problem `bad-rows` when rows are bad and are not to be skipped; `busy` while another import of the tenant runs
 */
export async function importProducts(parts: ImportParts, input: ImportInput): Promise<ImportAnswer> {
  return parts.database.transaction(input.tenantId, (tx) => importInto(tx, parts, input), {
    statementMsMax: STATEMENT_MS_MAX,
  });
}

async function importInto(tx: Tx, parts: ImportParts, input: ImportInput): Promise<ImportAnswer> {
  await takeImportsTurn(tx);
  const nowMs = parts.clock.now();
  const bad = new BadLines();
  const rows = await stage(tx, input.file, await readKnown(tx, nowMs), bad);
  if (bad.count > 0 && !input.skipBad && !input.dryRun) throw badRows(bad.shown, bad.count);
  const counts = await decide(tx, columnsOfFile(input.file));
  const answer = { rows, ...counts, bad: bad.shown, badCount: bad.count, release: null };
  if (input.dryRun || counts.created + counts.changed === 0) return answer;
  const release = parts.newId();
  await store(tx, { release, nowMs, createdBy: input.createdBy });
  const detail = { rows, ...counts, bad: bad.count };
  const said = { actor: input.actor, action: 'products.import', subject: `release:${release}`, branchId: null, detail };
  await recordAudit(tx, said, { nowMs, newId: parts.newId });
  return { ...answer, release };
}

/** Two imports at once would each decide by what the other is about to change. */
export async function takeImportsTurn(tx: Tx): Promise<void> {
  const { free } = await tx.one<{ free: boolean }>(
    `SELECT pg_try_advisory_xact_lock(hashtext('branchline product import'), hashtext($1)) AS free`,
    [tx.tenantId],
  );
  if (!free) throw problem('busy', 'Another import is running.', { headers: { 'retry-after': '5' } });
}

async function readKnown(tx: Tx, nowMs: number): Promise<Known> {
  const zones = await tx.query<{ code: string; time_zone: string }>('SELECT code, time_zone FROM price_zone');
  const taxClasses = await tx.query<{ code: string }>('SELECT code FROM tax_class');
  const assortments = await tx.query<{ code: string }>('SELECT code FROM assortment');
  return {
    zones: new Map(zones.map((zone) => [zone.code, { timeZone: zone.time_zone }])),
    taxClasses: new Set(taxClasses.map(({ code }) => code)),
    assortments: new Set(assortments.map(({ code }) => code)),
    nowMs,
  };
}

/** @returns how many lines the file has, good and bad */
async function stage(tx: Tx, file: Buffer, known: Known, bad: BadLines): Promise<number> {
  await tx.execute(sql.MORE_MEMORY);
  await tx.execute(sql.STAGING_TABLE);
  let rows = 0;
  for await (const batch of readImport(file, known, bad, (more) => (rows += more))) {
    await tx.execute(sql.STAGE_ROWS, [JSON.stringify(batch)]);
  }
  const nameless = await tx.query<{ line: number; product: string }>(sql.TAKE_OUT_NAMELESS);
  for (const { line, product } of nameless) bad.add(line, `product ${product} is new and has no name`);
  bad.shown.sort((a, b) => a.line - b.line);
  return rows;
}

async function decide(
  tx: Tx,
  columns: readonly string[],
): Promise<{ created: number; changed: number; unchanged: number }> {
  await tx.execute('ANALYZE import_row');
  await tx.execute(sql.DECIDE_PRODUCTS, [columns]);
  await tx.execute(sql.DECIDE_MEMBERS);
  await tx.execute(sql.DECIDE_PRICES);
  for (const statement of sql.ANALYZE_DECISIONS) await tx.execute(statement);
  return tx.one(sql.COUNT_ROWS);
}

async function store(
  tx: Tx,
  { release, nowMs, createdBy }: { release: string; nowMs: number; createdBy: string },
): Promise<void> {
  const now = new Date(nowMs);
  await tx.execute(
    `INSERT INTO release (tenant_id, id, reason, created_at, created_by) VALUES ($1, $2, 'product import', $3, $4)`,
    [tx.tenantId, release, now, createdBy],
  );
  await tx.execute(sql.STORE_PRODUCTS, [tx.tenantId, now]);
  await tx.execute(sql.DROP_BARCODES);
  await tx.execute(sql.STORE_BARCODES, [tx.tenantId]);
  await tx.execute(sql.STORE_MEMBERS, [tx.tenantId]);
  await tx.execute(sql.STORE_PRICES, [tx.tenantId, release]);
  await tx.execute(sql.PUBLISH_PRODUCTS, [tx.tenantId, release, contractOfRecord('product')]);
  await tx.execute(sql.PUBLISH_PRICES, [tx.tenantId, release, contractOfRecord('price')]);
  // Last, so that its number in `tenant` is given after all that it names; the sequencer fills in what it needs.
  await publish(tx, { scope: TENANT_SCOPE, kind: 'release', key: release, body: { release, needs: {} } });
}

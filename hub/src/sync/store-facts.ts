import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import type { Inserted } from './inserted.js';
import type { LineOfKind } from './read-line.js';

const INSERT_DEVICES = `INSERT INTO device (tenant_id, branch_id, incarnation, id, name, till, token_hash, seq, content_hash)
  SELECT $1, $2, $3, id, name, till, "tokenHash", seq, "contentHash"
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, name text, till text, "tokenHash" text, seq bigint, "contentHash" text)
  ON CONFLICT (branch_id, id) DO NOTHING
  RETURNING id`;

const INSERT_SHIFTS = `INSERT INTO shift (tenant_id, branch_id, incarnation, id, till, drawer, operator, float_minor, currency, opened_at, business_date,
    seq, content_hash)
  SELECT $1, $2, $3, id, till, drawer, operator, "floatMinor", currency, to_timestamp("openedAt" / 1000.0), "businessDate", seq, "contentHash"
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, till text, drawer text, operator text, "floatMinor" bigint, currency text, "openedAt" bigint,
    "businessDate" date, seq bigint, "contentHash" text)
  ON CONFLICT (branch_id, id) DO NOTHING
  RETURNING id`;

const INSERT_SHIFT_CLOSES = `INSERT INTO shift_close (tenant_id, branch_id, incarnation, id, z_number, till, drawer, operator, closed_at, business_date,
    currency, grand_total_minor, z, seq, content_hash)
  SELECT $1, $2, $3, id, "zNumber", till, drawer, operator, to_timestamp("closedAt" / 1000.0), "businessDate", currency, "grandTotalMinor", z, seq,
    "contentHash"
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, "zNumber" bigint, till text, drawer text, operator text, "closedAt" bigint, "businessDate" date,
    currency text, "grandTotalMinor" bigint, z jsonb, seq bigint, "contentHash" text)
  ON CONFLICT (branch_id, id) DO NOTHING
  RETURNING id`;

const INSERT_SHIFT_TENDERS = `INSERT INTO shift_tender (tenant_id, branch_id, shift_id, tender_no, type, currency, expected_minor, declared_minor,
    difference_minor)
  SELECT $1, $2, shift, no, type, currency, expected, declared, difference
  FROM jsonb_to_recordset($3::jsonb) AS r (shift uuid, no integer, type text, currency text, expected bigint, declared bigint, difference bigint)`;

const INSERT_DAY_SEALS = `INSERT INTO day_seal (tenant_id, branch_id, incarnation, business_date, operator, sealed_at, figures, shifts, tills_holding, seq, content_hash)
  SELECT $1, $2, $3, "businessDate", operator, to_timestamp("sealedAt" / 1000.0), figures, shifts, "tillsHolding", seq, "contentHash"
  FROM jsonb_to_recordset($4::jsonb) AS r ("businessDate" date, operator text, "sealedAt" bigint, figures jsonb, shifts jsonb, "tillsHolding" jsonb, seq bigint,
    "contentHash" text)
  ON CONFLICT (branch_id, business_date) DO NOTHING
  RETURNING business_date::text AS id`;

async function insertFacts(tx: Tx, context: FactContext, sql: string, rows: readonly unknown[]): Promise<Inserted> {
  const { tenantId, branchId, incarnation } = context;
  const stored = await tx.query<{ id: string }>(sql, [tenantId, branchId, incarnation, JSON.stringify(rows)]);
  return { ids: new Set(stored.map((row) => row.id)) };
}

export function insertDevices(
  tx: Tx,
  context: FactContext,
  lines: readonly LineOfKind<'device-enrol'>[],
): Promise<Inserted> {
  const rows = lines.map(({ seq, contentHash, body: { device: id, name, till, tokenHash } }) => ({
    id,
    name,
    till,
    tokenHash,
    seq,
    contentHash,
  }));
  return insertFacts(tx, context, INSERT_DEVICES, rows);
}

export function insertShifts(
  tx: Tx,
  context: FactContext,
  lines: readonly LineOfKind<'shift-open'>[],
): Promise<Inserted> {
  const rows = lines.map(({ seq, contentHash, body }) => {
    const { id, till, drawer, operator, floatMinor, currency, openedAt, businessDate } = body;
    return { id, till, drawer, operator, floatMinor, currency, openedAt, businessDate, seq, contentHash };
  });
  return insertFacts(tx, context, INSERT_SHIFTS, rows);
}

/** The Z is kept whole, as it was sealed; its tenders also as rows, for cash over and short. */
export async function insertShiftCloses(
  tx: Tx,
  context: FactContext,
  lines: readonly LineOfKind<'shift-close'>[],
): Promise<Inserted> {
  const rows = lines.map(({ seq, contentHash, body }) => {
    const { id, zNumber, till, drawer, operator, closedAt, businessDate, currency, grandTotalMinor } = body;
    return {
      id,
      zNumber,
      till,
      drawer,
      operator,
      closedAt,
      businessDate,
      currency,
      grandTotalMinor,
      z: body,
      seq,
      contentHash,
    };
  });
  const inserted = await insertFacts(tx, context, INSERT_SHIFT_CLOSES, rows);
  const tenders = lines
    .filter((line) => inserted.ids.has(line.body.id))
    .flatMap(({ body }) =>
      body.tenders.map((tender, at) => {
        const {
          tenderType: type,
          currency,
          expectedMinor: expected,
          declaredMinor: declared,
          differenceMinor: difference,
        } = tender;
        return { shift: body.id, no: at + 1, type, currency, expected, declared, difference };
      }),
    );
  if (tenders.length > 0)
    await tx.query(INSERT_SHIFT_TENDERS, [context.tenantId, context.branchId, JSON.stringify(tenders)]);
  return inserted;
}

export function insertDaySeals(
  tx: Tx,
  context: FactContext,
  lines: readonly LineOfKind<'day-seal'>[],
): Promise<Inserted> {
  const rows = lines.map(({ seq, contentHash, body }) => {
    const { businessDate, operator, sealedAt, figures, shifts, tillsHolding = [] } = body;
    return { businessDate, operator, sealedAt, figures, shifts, tillsHolding, seq, contentHash };
  });
  return insertFacts(tx, context, INSERT_DAY_SEALS, rows);
}

import { signOfSale, type SaleBody } from '@branchline/replication/kinds/sale.js';
import { bools, int8s, texts, uuids } from '../database/columns.js';
import { discountOfLine } from '@branchline/replication/sale-faults.js';
import type { LineOfKind } from './read-line.js';
import { unitsOfSale } from './sales-deltas.js';

/** Facts as columns in the order of the statements that store them. */
export function saleColumns(sales: readonly { line: LineOfKind<'sale'>; hour: number }[]): Buffer[] {
  const bodies = sales.map(({ line }) => line.body);
  const text = (value: (body: SaleBody) => string | undefined): Buffer => texts(bodies.map(value));
  const int8 = (value: (body: SaleBody) => number): Buffer => int8s(bodies.map(value));
  return [
    uuids(bodies.map(({ id }) => id)),
    text(({ receiptNumber }) => receiptNumber),
    text(({ deviceReference }) => deviceReference),
    int8(({ epoch }) => epoch),
    text(({ till }) => till),
    text(({ operator }) => operator),
    uuids(bodies.map(({ shift }) => shift)),
    text(({ businessDate }) => businessDate),
    int8s(sales.map(({ hour }) => hour)),
    int8(({ occurredAt }) => occurredAt),
    int8(({ soldAt }) => soldAt),
    text(({ source }) => source),
    text(({ customerId }) => customerId),
    text(({ currency }) => currency),
    int8((body) => signOfSale(body) * body.lines.length),
    int8(unitsOfSale),
    int8(({ amountMinor }) => amountMinor),
    int8(({ discountMinor }) => discountMinor),
    int8(({ netMinor }) => netMinor),
    int8(({ taxMinor }) => taxMinor),
    int8(({ totalMinor }) => totalMinor),
    int8(({ cashRoundingMinor }) => cashRoundingMinor),
    int8(({ changeMinor }) => changeMinor),
    text(({ flags }) => JSON.stringify(flags)),
    int8s(sales.map(({ line }) => line.seq)),
    texts(sales.map(({ line }) => line.contentHash)),
  ];
}

type Line = SaleBody['lines'][number];
type OfSale<Part> = { sale: string; part: Part }[];
type OfLine<Part> = { sale: string; lineNo: number; no: number; part: Part }[];

export function lineColumns(sales: readonly SaleBody[]): Buffer[] {
  const rows: OfSale<Line> = sales.flatMap(({ id, lines }) => lines.map((part) => ({ sale: id, part })));
  const text = (value: (line: Line) => string | undefined): Buffer => texts(rows.map(({ part }) => value(part)));
  const int8 = (value: (line: Line) => number): Buffer => int8s(rows.map(({ part }) => value(part)));
  return [
    uuids(rows.map(({ sale }) => sale)),
    int8(({ lineNo }) => lineNo),
    text(({ product }) => product),
    text(({ name }) => name),
    int8(({ quantityMilli }) => quantityMilli),
    int8(({ price }) => price.minor),
    text(({ price }) => String(price.per)),
    text(({ priceSource }) => priceSource),
    int8(({ amountMinor }) => amountMinor),
    int8(discountOfLine),
    int8(({ netMinor }) => netMinor),
    int8(({ taxMinor }) => taxMinor),
    int8(({ totalMinor }) => totalMinor),
    text((line) => soleTax(line)?.code),
    int8((line) => soleTax(line)?.ratePpm ?? 0),
  ];
}

/** The one tax of a line that is all of its `taxMinor`, as nearly every line has it: it needs no row of its own. */
export function soleTax({ taxes, taxMinor }: Line): Line['taxes'][number] | null {
  const [tax] = taxes;
  return taxes.length === 1 && tax?.amountMinor === taxMinor ? tax : null;
}

/** Modifiers and, marked, what only informs: each counted from 1 on its line. */
export function modifierColumns(sales: readonly SaleBody[]): Buffer[] | null {
  const rows = [
    ...partsOfLines(sales, ({ modifiers }) => modifiers).map((row) => ({ ...row, informational: false })),
    ...partsOfLines(sales, ({ information }) => information).map((row) => ({ ...row, informational: true })),
  ];
  if (rows.length === 0) return null;
  return [
    ...keyColumns(rows),
    texts(rows.map(({ part }) => part.kind)),
    bools(rows.map(({ informational }) => informational)),
    int8s(rows.map(({ part }) => part.amountMinor)),
  ];
}

/** Of lines that have not just one. */
export function taxColumns(sales: readonly SaleBody[]): Buffer[] | null {
  const rows = partsOfLines(sales, (line) => (soleTax(line) ? undefined : line.taxes));
  if (rows.length === 0) return null;
  return [
    ...keyColumns(rows),
    texts(rows.map(({ part }) => part.code)),
    int8s(rows.map(({ part }) => part.ratePpm)),
    int8s(rows.map(({ part }) => part.amountMinor)),
  ];
}

export function tenderColumns(sales: readonly SaleBody[]): Buffer[] | null {
  const rows = sales.flatMap(({ id, tenders }) => tenders.map((part) => ({ sale: id, part })));
  if (rows.length === 0) return null;
  return [
    uuids(rows.map(({ sale }) => sale)),
    int8s(rows.map(({ part }) => part.tenderNo)),
    texts(rows.map(({ part }) => part.type)),
    int8s(rows.map(({ part }) => part.amountMinor)),
    int8s(rows.map(({ part }) => part.cashBackMinor ?? 0)),
  ];
}

function partsOfLines<Part>(
  sales: readonly SaleBody[],
  partsOf: (line: Line) => readonly Part[] | undefined,
): OfLine<Part> {
  const rows: OfLine<Part> = [];
  for (const { id: sale, lines } of sales) {
    for (const line of lines) {
      const parts = partsOf(line) ?? [];
      for (const [at, part] of parts.entries()) rows.push({ sale, lineNo: line.lineNo, no: at + 1, part });
    }
  }
  return rows;
}

function keyColumns(rows: OfLine<unknown>): Buffer[] {
  return [
    uuids(rows.map(({ sale }) => sale)),
    int8s(rows.map(({ lineNo }) => lineNo)),
    int8s(rows.map(({ no }) => no)),
  ];
}

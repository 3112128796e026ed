import { parseReceiptNumber } from '@branchline/domain/receipt-number.js';
import type { BoxFacts, HubFacts, SaleFact } from './facts.js';
import type { Told } from './told.js';

export interface Judged {
  told: readonly Told[];
  hub: HubFacts;
  /** Those that are alive. */
  boxes: readonly BoxFacts[];
  /** Boxes of other branches must have nothing of this one, and it nothing of theirs. */
  idsOfOthers: ReadonlySet<string>;
}

const COMPLAINTS_MAX = 12;

/**
 * The invariants A to F of one branch once its line is quiet: what the tills were told against what head office and every
 * living box of the branch have. @returns what does not hold, the letter first
 */
export function judge(branch: Judged): string[] {
  const complaints = [
    ...nothingLost(branch),
    ...nothingTwice(branch),
    ...conserved(branch),
    ...oneHistory(branch),
    ...receiptsInOrder(branch),
    ...nothingOfOthers(branch),
  ];
  const more = complaints.length - COMPLAINTS_MAX;
  return more > 0 ? [...complaints.slice(0, COMPLAINTS_MAX), `and ${more} more`] : complaints;
}

/** A: each sale that a till was told is done is at the hub and in each box as it was told. */
function nothingLost({ told, hub, boxes }: Judged): string[] {
  const places: [string, readonly SaleFact[]][] = [['the hub', hub.sales]];
  for (const { folder, sales } of boxes) places.push([`box ${folder}`, sales]);
  const aliases = new Set(hub.aliases.map(({ saleId, receiptNumber }) => `${saleId} ${receiptNumber}`));
  return places.flatMap(([place, sales]) => {
    const known = new Map(sales.map((sale) => [sale.id, sale]));
    return told.flatMap(({ answer }) => {
      const sale = known.get(answer.id);
      if (sale === undefined) return [`A: ${place} lacks sale ${answer.id}, receipt ${answer.receiptNumber}`];
      const isSame = sale.totalMinor === answer.totalMinor && sale.businessDate === answer.businessDate;
      const bearsNumber =
        sale.receiptNumber === answer.receiptNumber || aliases.has(`${answer.id} ${answer.receiptNumber}`);
      return isSame && bearsNumber
        ? []
        : [`A: ${place} has sale ${answer.id} otherwise: ${describe(sale)}, told was ${describe(answer)}`];
    });
  });
}

function describe({ receiptNumber, totalMinor, businessDate }: SaleFact): string {
  return `${receiptNumber} of ${businessDate}, ${totalMinor}`;
}

/** B: nothing is there that no till was told, and nothing twice. */
function nothingTwice({ told, hub, boxes }: Judged): string[] {
  const ids = new Set(told.map(({ answer }) => answer.id));
  const extra = (place: string, sales: readonly SaleFact[]) => {
    const strangers = sales
      .filter(({ id }) => !ids.has(id))
      .map(({ id }) => `B: ${place} has sale ${id} that nobody made`);
    const doubles = sales.length - new Set(sales.map(({ id }) => id)).size;
    return doubles === 0 ? strangers : [...strangers, `B: ${place} has ${doubles} sales twice`];
  };
  return [...extra('the hub', hub.sales), ...boxes.flatMap(({ folder, sales }) => extra(`box ${folder}`, sales))];
}

/** C: what was paid is what was sold, stock is what was taken from it, sums are the sums of their rows. */
function conserved({ told, hub, boxes }: Judged): string[] {
  const totalMinor = told.reduce((sum, { answer }) => sum + answer.totalMinor, 0);
  const stock = new Map<string, number>();
  for (const { request } of told) {
    for (const { product, quantity } of request.lines) {
      stock.set(product, (stock.get(product) ?? 0) - Math.round(quantity * 1000));
    }
  }
  const complaints: string[] = [];
  const compare = (what: string, found: number, expected: number) => {
    if (found !== expected) complaints.push(`C: ${what} is ${found}, of what was told ${expected}`);
  };
  compare('paid at the hub', hub.paidMinor, totalMinor);
  compare('the total that reports read', hub.rollup.totalMinor, totalMinor);
  compare('the baskets that reports read', hub.rollup.baskets, told.length);
  for (const { folder, paidMinor } of boxes) compare(`paid in box ${folder}`, paidMinor, totalMinor);
  for (const [place, found] of [['at the hub', hub.stock] as const, ...boxes.map(boxStock)]) {
    for (const product of new Set([...stock.keys(), ...found.keys()])) {
      compare(`stock of ${product} ${place}`, found.get(product) ?? 0, stock.get(product) ?? 0);
    }
  }
  return complaints;
}

function boxStock({ folder, stock }: BoxFacts): [string, ReadonlyMap<string, number>] {
  return [`in box ${folder}`, stock];
}

/** D: the history that each box writes is the one the hub has, up to its end; nothing waits in quarantine. */
function oneHistory({ hub, boxes }: Judged): string[] {
  const complaints = boxes.flatMap(({ folder, head }) => {
    if (head === null) return [];
    const there = hub.heads.find(({ incarnation }) => incarnation === head.incarnation);
    if (there === undefined) return [`D: the hub has nothing of ${head.incarnation}, which box ${folder} writes`];
    return there.seq === head.seq && there.hash === head.hash
      ? []
      : [
          `D: box ${folder} stands at #${head.seq} ${head.hash.slice(0, 8)}, the hub at #${there.seq} ${there.hash.slice(0, 8)}`,
        ];
  });
  const waiting = hub.quarantined.map(({ seq, kind, code }) => `D: line ${seq}, ${kind}, is set aside: ${code}`);
  return [...complaints, ...waiting];
}

/**
 * E: receipt numbers of a till and epoch are 1, 2, 3… without a hole. Two histories may have printed the same one: then
 * all but one of its sales are marked.
 */
function receiptsInOrder({ hub }: Judged): string[] {
  const complaints: string[] = [];
  const series = new Map<string, Set<number>>();
  const bearers = new Map<string, string[]>();
  for (const { id, receiptNumber } of hub.sales) {
    bearers.set(receiptNumber, [...(bearers.get(receiptNumber) ?? []), id]);
  }
  const numbers = [...hub.sales, ...hub.aliases].map(({ receiptNumber }) => receiptNumber);
  for (const text of numbers) {
    const parsed = parseReceiptNumber(text);
    if (parsed === null) continue;
    const name = `${parsed.till} epoch ${parsed.epoch}`;
    series.set(name, (series.get(name) ?? new Set()).add(parsed.number));
  }
  for (const [name, found] of series) {
    const largest = Math.max(...found);
    if (found.size !== largest) complaints.push(`E: receipts of till ${name}: ${found.size} numbers up to ${largest}`);
  }
  for (const [number, ids] of bearers) {
    const unmarked = ids.filter((id) => !hub.doubled.includes(id)).length;
    if (ids.length > 1 && unmarked > 1) complaints.push(`E: receipt ${number} is on ${ids.length} sales, unmarked`);
  }
  return complaints;
}

/** F: a branch has changed nothing but its own. */
function nothingOfOthers({ hub, boxes, idsOfOthers }: Judged): string[] {
  return [
    ['the hub', hub.sales] as const,
    ...boxes.map(({ folder, sales }) => [`box ${folder}`, sales] as const),
  ].flatMap(([place, sales]) =>
    sales.filter(({ id }) => idsOfOthers.has(id)).map(({ id }) => `F: ${place} has sale ${id} of another branch`),
  );
}

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';

/** The chain that `npm start` runs: a small grocer with stores from coast to coast of one country, one currency, one inclusive tax. */
export const DEMO_TENANT = {
  code: 'DEMO',
  name: 'Coast to Coast Grocers',
  currency: 'AUD',
  adminEmail: 'office@coast-to-coast.example',
};
export const DEMO_TAX_CLASSES = [
  { code: 'GST', components: [{ code: 'GST', ratePpm: 100_000 }] },
  { code: 'FREE', components: [] },
];
export const DEMO_ASSORTMENT = { code: 'CORE', name: 'What every store carries' };
export const DEMO_ZONES = [
  { code: 'EAST', name: 'East coast', timeZone: 'Australia/Sydney' },
  { code: 'WEST', name: 'Centre and west', timeZone: 'Australia/Perth' },
];
const REGIONS = [
  { code: 'NSW', name: 'New South Wales', timeZone: 'Australia/Sydney', priceZone: 'EAST', town: 'Newtown' },
  { code: 'WA', name: 'Western Australia', timeZone: 'Australia/Perth', priceZone: 'WEST', town: 'Fremantle' },
  { code: 'SA', name: 'South Australia', timeZone: 'Australia/Adelaide', priceZone: 'WEST', town: 'Glenelg' },
  { code: 'QLD', name: 'Queensland', timeZone: 'Australia/Brisbane', priceZone: 'EAST', town: 'Toowong' },
  { code: 'NT', name: 'Northern Territory', timeZone: 'Australia/Darwin', priceZone: 'WEST', town: 'Parap' },
  { code: 'TAS', name: 'Tasmania', timeZone: 'Australia/Hobart', priceZone: 'EAST', town: 'Sandy Bay' },
  { code: 'VIC', name: 'Victoria', timeZone: 'Australia/Melbourne', priceZone: 'EAST', town: 'Brunswick' },
] as const;

/** Who works in each store. The supervisor closes the day. */
export const DEMO_STAFF = [
  { operator: 'mia', name: 'Mia Chen', role: 'cashier' },
  { operator: 'leo', name: 'Leo Novak', role: 'cashier' },
  { operator: 'tom', name: 'Tom Walker', role: 'supervisor' },
  { operator: 'ruth', name: 'Ruth Okafor', role: 'store-manager' },
] as const;
export type DemoOperator = (typeof DEMO_STAFF)[number]['operator'];

export interface DemoTill {
  till: string;
  drawer: string;
  cashier: DemoOperator;
  /** No longer does it wait for a customer, however late it is. */
  pauseMsMax: number;
}

/** The first is always open: a sale in every store at least every ten seconds. The second is for when it is busy. */
export const DEMO_TILLS: readonly DemoTill[] = [
  { till: 'T1', drawer: 'D1', cashier: 'mia', pauseMsMax: 10_000 },
  { till: 'T2', drawer: 'D2', cashier: 'leo', pauseMsMax: 60_000 },
];

export interface DemoBranch {
  code: string;
  name: string;
  region: string;
  priceZone: string;
  timeZone: string;
}

/** The first stores stand in as many regions and time zones as there are. */
export function demoBranches(count: number): DemoBranch[] {
  return Array.from({ length: count }, (_, index) => {
    const { code, timeZone, priceZone, town } = regionAt(index);
    const round = Math.floor(index / REGIONS.length);
    return {
      code: `B${String(index + 1).padStart(3, '0')}`,
      name: round === 0 ? town : `${town} ${round + 1}`,
      region: code,
      priceZone,
      timeZone,
    };
  });
}

export function demoRegions(count: number): { code: string; name: string }[] {
  return REGIONS.slice(0, Math.min(count, REGIONS.length)).map(({ code, name }) => ({ code, name }));
}

function regionAt(index: number): (typeof REGIONS)[number] {
  const region = REGIONS[index % REGIONS.length];
  if (!region) throw new Error('there are no regions');
  return region;
}

export interface DemoProduct {
  product: string;
  fractional: boolean;
  priceMinor: number;
}

const CATALOGUE_FILE = fileURLToPath(new URL('../../fixtures/demo/catalogue.csv', import.meta.url));

/** As the hub imports it. */
export function demoCatalogueCsv(): string {
  return readFileSync(CATALOGUE_FILE, 'utf8');
}

/** What is on the shelves of a zone, by the file. */
export function demoProducts(csv: string, zone: string): DemoProduct[] {
  const rows = parse<Record<string, string>>(csv, { columns: true, skip_empty_lines: true });
  return rows
    .filter(({ priceZone }) => priceZone === zone)
    .map(({ product = '', fractional, priceMinor }) => ({
      product,
      fractional: fractional === 'yes',
      priceMinor: Number(priceMinor),
    }));
}

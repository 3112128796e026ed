import pg from 'pg';
import { systemClock } from '@branchline/domain/clock.js';
import { type ChainDatabase, openChainDatabase } from '../../chain/chain-database.js';
import { Chain } from '../../chain/chain.js';
import type { HubClient } from '../../chain/hub-client.js';
import type { BenchContext } from '../bench.js';

export const ZONE = 'Z1';
export const REGION = 'R1';
export const PIN = '73519';
export const OPERATOR = 'anna';
const TENANT = { code: 'BENCH', name: 'Bench', currency: 'ZAR', adminEmail: 'admin@bench.example' };

export interface FeedChain {
  chain: Chain;
  database: ChainDatabase;
  headOffice: HubClient;
}

/** A chain with one zone and assortment, and no branch yet. However the work ends, nothing is left running. */
export async function inFeedChain<T>(
  { dataDir, databaseUrl, signal }: BenchContext,
  work: (chain: FeedChain) => Promise<T>,
): Promise<T> {
  const name = `branchline_bench_${process.pid}`;
  const database = await openChainDatabase({ dataDir, serverUrl: databaseUrl, name, durability: 'throwaway' });
  try {
    const chain = await Chain.start({ dataDir, database, hubPort: 0, clock: systemClock, signal });
    try {
      const { email, password } = await chain.createTenant(TENANT);
      const headOffice = chain.signIn({ email, password });
      try {
        await headOffice.create('regions', { code: REGION, name: 'Region' });
        await headOffice.create('price-zones', { code: ZONE, name: 'Zone', currency: 'ZAR' });
        await headOffice.create('assortments', { code: 'A1', name: 'Assortment' });
        return await work({ chain, database, headOffice });
      } finally {
        headOffice.close();
      }
    } finally {
      await chain.stop();
    }
  } finally {
    await database.stop();
    await database.remove();
  }
}

export async function addBranch(headOffice: HubClient, code: string): Promise<void> {
  const place = { region: REGION, priceZone: ZONE, assortment: 'A1', timeZone: 'Africa/Johannesburg', currency: 'ZAR' };
  await headOffice.create('branches', { code, name: `Branch ${code}`, ...place });
  await headOffice.addStaff(code, { operator: OPERATOR, name: 'Anna', role: 'store-manager', pin: PIN });
}

const WORDS = [
  'Full',
  'Cream',
  'Brown',
  'Fresh',
  'Sparkling',
  'Free',
  'Range',
  'Smoked',
  'Organic',
  'Golden',
  'Sea',
  'Rock',
];

/** Products with all that a real list says of them; the same products at other prices for another `minor`. */
export function productsCsv(count: number, minor: number): string {
  const lines = ['product,name,department,category,brand,packSize,barcodes,assortments,priceZone,priceMinor'];
  for (let at = 0; at < count; at += 1) {
    const [one, two, three] = [1, 7, 31].map((step) => WORDS[Math.floor(at / step) % WORDS.length]);
    const name = `${one} ${two} ${three} ${at}`;
    const fields = [
      `D${at % 12}`,
      `Category ${at % 240}`,
      `Brand ${at % 900}`,
      `${(at % 9) + 1}00 g`,
      6_001_000_000_000 + at,
    ];
    lines.push(`P${at},${name},${fields.join(',')},A1,${ZONE},${minor + (at % 500)}`);
  }
  return `${lines.join('\n')}\n`;
}

export async function inDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

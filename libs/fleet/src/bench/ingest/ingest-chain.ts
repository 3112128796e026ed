import { systemClock } from '@branchline/domain/clock.js';
import { type ChainDatabase, openChainDatabase } from '../../chain/chain-database.js';
import { Chain } from '../../chain/chain.js';
import type { HubClient } from '../../chain/hub-client.js';
import type { BenchContext } from '../bench.js';
import { PushingBox } from './pushing-box.js';
import { BranchJournal } from './branch-journal.js';

/** A hub process on a durable PostgreSQL, and boxes that have something to push. */
export interface IngestChain {
  database: ChainDatabase;
  hubPid: number;
  hubUrl: string;
  boxes: { box: PushingBox; journal: BranchJournal }[];
}

const REGION = { code: 'R1', name: 'Region 1' };
const ZONE = { code: 'Z1', name: 'Zone 1', timeZone: 'Africa/Johannesburg', currency: 'ZAR' };
const ASSORTMENT = { code: 'A1', name: 'Assortment 1' };
const TENANT = { code: 'BENCH', name: 'Bench', currency: 'ZAR', adminEmail: 'admin@bench.example' };

/** However the work ends, nothing is left running. */
export async function withIngestChain<T>(
  { dataDir, databaseUrl, signal }: BenchContext,
  boxes: number,
  work: (chain: IngestChain) => Promise<T>,
  hubEnv: Record<string, string> = {},
): Promise<T> {
  const name = `branchline_bench_${process.pid}`;
  const database = await openChainDatabase({ dataDir, serverUrl: databaseUrl, name, durability: 'full' });
  try {
    const chain = await Chain.start({ dataDir, database, hubPort: 0, clock: systemClock, signal, hubEnv });
    try {
      const pushing = await enrolBoxes(chain, boxes);
      try {
        return await work({ database, hubPid: chain.hub.pid, hubUrl: chain.hub.url, boxes: pushing });
      } finally {
        for (const { box } of pushing) box.close();
      }
    } finally {
      await chain.stop();
    }
  } finally {
    await database.stop();
    await database.remove();
  }
}

async function enrolBoxes(chain: Chain, count: number): Promise<IngestChain['boxes']> {
  const { email, password } = await chain.createTenant(TENANT);
  const headOffice = chain.signIn({ email, password });
  try {
    await headOffice.create('regions', REGION);
    await headOffice.create('price-zones', ZONE);
    await headOffice.create('assortments', ASSORTMENT);
    const boxes: IngestChain['boxes'] = [];
    for (let no = 1; no <= count; no += 1) {
      const box = await enrolBox(headOffice, chain.hub.url, `B${String(no).padStart(3, '0')}`);
      boxes.push({ box, journal: new BranchJournal(box.journalBox, no) });
    }
    return boxes;
  } finally {
    headOffice.close();
  }
}

async function enrolBox(headOffice: HubClient, hubUrl: string, branch: string): Promise<PushingBox> {
  await headOffice.create('branches', {
    code: branch,
    name: `Branch ${branch}`,
    region: REGION.code,
    priceZone: ZONE.code,
    assortment: ASSORTMENT.code,
    timeZone: ZONE.timeZone,
    currency: ZONE.currency,
    cutOff: '04:00',
    taxRounding: 'line',
  });
  return PushingBox.enrol(hubUrl, await headOffice.enrolmentCode(branch, { for: 'box' }));
}

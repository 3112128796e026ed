import { join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { Chain } from '../../chain/chain.js';
import { CopiedDatabase } from '../../chaos/copied-database.js';
import { Supervisor } from '../../processes.js';
import type { BenchContext, BenchRow } from '../bench.js';
import { chanceFrom } from '../edge/chance.js';
import { openTradingStore } from '../edge/trading-edge.js';
import { Branchline } from './branchline.js';
import { PeerPair, type PeerPackage } from './peer-pair.js';
import { rowsOf } from './peers-figures.js';
import type { Compared, Subject } from './subject.js';
import { timeTransfer, tryKills, tryRestore } from './trials.js';
import { weaken } from './weak-line.js';

const SALES = 100_000;
const TRIAL_SALES = 2_000;
const TRANSFER_MS_MAX = 240_000;
const TRIAL_MS_MAX = 120_000;
const TILLS = 2;
const SEED = 20_261_121;

const PEERS: readonly PeerPackage[] = [
  {
    name: 'pouchdb',
    packages: ['pouchdb@9.0.0', 'express-pouchdb@4.2.0', 'express@4.22.1'],
    durability: 'LevelDB without fsync at both ends: what is acknowledged survives a kill, no power cut',
    isPatient: false,
    client: 'pouchdb-client-main',
    server: 'pouchdb-server-main',
    trialSales: TRIAL_SALES,
  },
  {
    name: 'tinybase',
    packages: ['tinybase@10.0.1', 'ws@8.23.0'],
    durability: 'SQLite with fsync at both ends, 2,000 sales as one row at each save, and nobody is told when',
    isPatient: true,
    client: 'tinybase-client-main',
    server: 'tinybase-server-main',
    trialSales: TRIAL_SALES,
  },
];

/**
 * B-4: the same sales over the same weak line by others who replicate. They are no dependencies: they are installed beside
 * the measured data and leave with it. What a peer does not get over in some minutes is told by its rate so far.
 *
 * A sale counts when it is at the server in its store's files: with a kill -9 after it, it is still there. Ours is synced
 * before it is acknowledged; of the peers one syncs nothing and the other acknowledges nothing. The goal is held against
 * the fastest that loses nothing in the trials. The clock runs from the start of the client, without what TinyBase waits before anything moves.
 */
export async function peersBench(context: BenchContext): Promise<BenchRow[]> {
  const { dataDir, signal } = context;
  const documents = join(dataDir, 'sales.ndjson');
  const compared = [await compareOurs(context, documents)];
  const supervisor = new Supervisor(join(dataDir, 'peers'));
  try {
    for (const peer of PEERS) {
      const folder = join(dataDir, 'peers');
      const pair = await PeerPair.open(peer, { supervisor, dataDir: folder, documents, signal });
      try {
        compared.push(await compare(pair, context));
      } finally {
        await pair.close();
      }
    }
  } finally {
    await supervisor.stopAll();
  }
  return rowsOf(compared);
}

/** Leaves the documents that the peers get. */
async function compareOurs(context: BenchContext, documents: string): Promise<Compared> {
  const { dataDir, signal } = context;
  const database = await CopiedDatabase.open(dataDir);
  try {
    const chain = await Chain.start({ dataDir, database, hubPort: 0, clock: systemClock, signal });
    try {
      const edge = await openTradingStore(chain, { dataDir, tillCount: TILLS, signal });
      const ours = new Branchline(chain, database, edge, { dataDir, trialSales: TRIAL_SALES });
      const compared = await compare(ours, context);
      const written = await ours.writeDocuments(documents);
      if (written < SALES + 2 * TRIAL_SALES) throw new Error(`the archive has ${written} sales: too few for the peers`);
      return compared;
    } finally {
      await chain.stop();
    }
  } finally {
    await database.stop();
    await database.remove();
  }
}

async function compare(subject: Subject, { signal, note }: BenchContext): Promise<Compared> {
  const { name, durability, trialSales } = subject;
  weaken(subject.line, chanceFrom(SEED));
  const afterKills = await tryKills(subject, TRIAL_MS_MAX, signal);
  note(`${name} after kill −9 of client and server: ${JSON.stringify(afterKills)}`);
  const afterRestore = await tryRestore(subject, TRIAL_MS_MAX, signal);
  note(`${name} after its server was restored: ${JSON.stringify(afterRestore)}`);
  note(`${name}: ${SALES} sales`);
  // Last: who is stopped in it has not got all over, and would seem to have lost it.
  const transfer = await timeTransfer(subject, SALES, TRANSFER_MS_MAX, signal);
  note(`${name}: ${JSON.stringify(transfer)}`);
  return { name, durability, transfer, trialSales, afterKills, afterRestore };
}

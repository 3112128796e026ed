import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 as newId } from 'uuid';
import { z } from 'zod';
import { openChainDatabase } from '../../chain/chain-database.js';
import { Chain } from '../../chain/chain.js';
import type { EdgeBox } from '../../chain/edge-box.js';
import type { HubClient } from '../../chain/hub-client.js';
import { accepted, JsonClient } from '../../chain/json-client.js';
import { TillClient } from '../../chain/till-client.js';
import { DEMO_TENANT, demoBranches, demoCatalogueCsv, type DemoProduct, demoProducts } from '../../demo/demo-chain.js';
import { setUpHeadOffice } from '../../demo/set-up-demo.js';
import type { BenchContext } from '../bench.js';

export interface BenchTill {
  till: string;
  deviceId: string;
  deviceToken: string;
}

/** A store with its catalogue, its staff and some tills in an open shift each; its line to head office is cut. */
export interface TradingEdge {
  box: EdgeBox;
  tills: readonly BenchTill[];
  products: readonly DemoProduct[];
  databaseFile: string;
  operator: string;
  /** Of further branches that no box has opened yet. */
  otherBoxCodes: readonly string[];
  /** Access tokens for all tills, fresh: good for ten minutes. */
  signIn(): Promise<{ till: string; token: string }[]>;
  /** For those who do not need it: the edge has the machine for itself. */
  stopHub(): Promise<void>;
}

const FLOAT_MINOR = 30_000;
const sessionSchema = z.looseObject({ accessToken: z.string() });

/** Works with an edge that a real hub has set up. However it ends, nothing is left running. */
export async function inTradingEdge<T>(
  { dataDir, databaseUrl, signal, note }: BenchContext,
  tillCount: number,
  work: (edge: TradingEdge) => Promise<T>,
): Promise<T> {
  note('setting up a store');
  const name = databaseUrl === undefined ? 'branchline' : `branchline_bench_${process.pid}`;
  const database = await openChainDatabase({ dataDir, serverUrl: databaseUrl, name, durability: 'throwaway' });
  try {
    const chain = await Chain.start({ dataDir, database, hubPort: 0, clock: systemClock, signal });
    try {
      return await work(await openTradingStore(chain, { dataDir, tillCount, signal }));
    } finally {
      await chain.stop();
    }
  } finally {
    await database.stop();
    if (databaseUrl !== undefined) await database.remove();
  }
}

export interface StoreToOpen {
  dataDir: string;
  tillCount: number;
  /** Branches beside it; none if absent. */
  others?: number;
  /** Further environment of its edge. */
  edgeEnv?: Record<string, string>;
  signal: AbortSignal;
}

/** In a chain that has nothing yet. */
export async function openTradingStore(
  chain: Chain,
  { dataDir, tillCount, others = 0, edgeEnv = {}, signal }: StoreToOpen,
): Promise<TradingEdge> {
  const { email, password } = await chain.createTenant(DEMO_TENANT);
  const headOffice = chain.signIn({ email, password });
  try {
    const pin = String(randomInt(100_000, 1_000_000));
    const [branch, ...further] = await setUpHeadOffice(headOffice, 1 + others, () => pin);
    const [{ priceZone } = { priceZone: '' }] = demoBranches(1);
    const operator = branch?.operators[0]?.operator;
    if (!branch || !operator) throw new Error('the demo has no store with staff');
    // Before the edge comes: it learns of them with its first feed, not with its next poll.
    const codes = await tillCodes(headOffice, branch.code, tillCount);
    const box = await chain.startEdge({ branch: branch.code, enrolmentCode: branch.boxCode, env: edgeEnv });
    const tills = await Promise.all(codes.map((code, at) => TillClient.enrol(box.url, code, `Till ${at + 1}`, signal)));
    const edge: TradingEdge = {
      box,
      tills,
      products: demoProducts(demoCatalogueCsv(), priceZone),
      operator,
      otherBoxCodes: further.map(({ boxCode }) => boxCode),
      databaseFile: join(dataDir, 'edges', branch.code, 'edge.db'),
      signIn: () => signInAll(box, tills, { operator, pin }, signal),
      stopHub: async () => void (await chain.hub.stop()),
    };
    await openShifts(box, await edge.signIn(), signal);
    box.hubLine.cut();
    return edge;
  } finally {
    headOffice.close();
  }
}

async function tillCodes(headOffice: HubClient, branch: string, count: number): Promise<string[]> {
  const codes: string[] = [];
  for (let at = 1; at <= count; at += 1) {
    codes.push(await headOffice.enrolmentCode(branch, { for: 'device', till: `T${at}` }));
  }
  return codes;
}

async function signInAll(
  box: EdgeBox,
  tills: readonly BenchTill[],
  who: { operator: string; pin: string },
  signal: AbortSignal,
): Promise<{ till: string; token: string }[]> {
  const http = new JsonClient(box.url, signal);
  try {
    const signedIn = [];
    for (const { till, deviceToken } of tills) {
      const answer = await http.ask({ method: 'POST', path: '/v1/auth/pin', body: who, token: deviceToken });
      signedIn.push({ till, token: accepted('edge: sign-in', answer, sessionSchema).accessToken });
    }
    return signedIn;
  } finally {
    http.close();
  }
}

async function openShifts(
  box: EdgeBox,
  tills: readonly { till: string; token: string }[],
  signal: AbortSignal,
): Promise<void> {
  const http = new JsonClient(box.url, signal);
  try {
    for (const [at, { token }] of tills.entries()) {
      const body = { id: newId(), drawer: `D${at + 1}`, floatMinor: FLOAT_MINOR };
      accepted('edge: shift', await http.ask({ method: 'POST', path: '/v1/shifts', body, token }), z.unknown());
    }
  } finally {
    http.close();
  }
}

import { once, setMaxListeners } from 'node:events';
import type { Clock } from '@branchline/domain/clock.js';
import { BadInput } from '@branchline/http/exit.js';
import { type ChainDatabase, databaseNameFor, openChainDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import { keepRunning } from '../chain/keep-running.js';
import { assertBuilt } from '../chain/programs.js';
import { TillClient } from '../chain/till-client.js';
import { newControlToken } from '../local-control.js';
import { assertPortIsFree, freePort } from '../ports.js';
import { DEMO_TENANT } from './demo-chain.js';
import { type DemoBranchState, DemoFolder, type DemoState } from './demo-state.js';
import { DemoStore } from './demo-store.js';
import { assertSpace } from './disk-space.js';
import type { Display } from './display.js';
import { type PreparedBranch, setUpHeadOffice } from './set-up-demo.js';
import { writeFleet, writeSignIns } from './show-around.js';
import { startTrialControl } from './trial-control.js';
import { watchChain } from './watch-chain.js';

export interface DemoRequest {
  dataDir: string;
  fresh: boolean;
  /** Absent: as many as there are, three the first time. */
  edges: number | undefined;
  /** The hub's port, the edges' follow; 0: any free ones. */
  portBase: number;
  /** How many times as often as by the rhythm of the day customers come. */
  pace: number;
  /** A PostgreSQL server of the user's own; absent: an embedded one. */
  databaseUrl: string | undefined;
  clock: Clock;
  chance: () => number;
  newId: () => string;
  newPin: () => string;
  signal: AbortSignal;
  display: Display;
}

const EDGES_FIRST = 3;
/** A first start takes some 90 MB. */
const SPACE_BYTES_TO_START = 128 * 1024 * 1024;
const SPACE_BYTES_TO_GO_ON = 4 * 1024 * 1024;
const EDGE_RHYTHM = { EDGE_POLL_MS: '5000', EDGE_RETRY_MS_MIN: '500', EDGE_RETRY_MS_MAX: '3000' };

/** A chain that trades, until the signal. However it ends, everything is stopped; the data stays. */
export async function runDemo(request: DemoRequest): Promise<void> {
  assertBuilt();
  const folder = DemoFolder.open(request.dataDir);
  try {
    assertSpace(folder.path, SPACE_BYTES_TO_START);
    const state = request.fresh ? null : folder.readState();
    const count = request.edges ?? state?.branches.length ?? EDGES_FIRST;
    if (state && state.branches.length !== count) {
      throw new BadInput(`${folder.path} has ${state.branches.length} edges, not ${count}: --fresh begins anew`);
    }
    const { databaseUrl: serverUrl } = request;
    const database = await openChainDatabase({
      dataDir: folder.path,
      serverUrl,
      name: databaseNameFor('demo', folder.path, serverUrl),
      durability: 'full',
    });
    try {
      await new Demo(request, folder, database).run(state, count);
    } finally {
      await database.stop();
    }
  } catch (error) {
    // Whoever ran out of it says so in a way of its own, often far from the cause.
    if (error instanceof Error) assertSpace(folder.path, SPACE_BYTES_TO_GO_ON, error);
    throw error;
  } finally {
    request.display.close();
    folder.release();
  }
}

/** Good for one sign-in, so a new one at each start. */
async function signInLink(chain: Chain, { headOffice: credentials }: DemoState): Promise<string> {
  const headOffice = chain.signIn(credentials);
  try {
    return await headOffice.signInLink();
  } finally {
    headOffice.close();
  }
}

interface Ports {
  hub: number;
  edges: number[];
}

class Demo {
  private readonly stores: DemoStore[] = [];
  /** When one part fails, the others stop as if by hand. */
  private readonly ended = new AbortController();
  private readonly signal: AbortSignal;

  constructor(
    private readonly request: DemoRequest,
    private readonly folder: DemoFolder,
    private readonly database: ChainDatabase,
  ) {
    this.signal = AbortSignal.any([request.signal, this.ended.signal]);
    setMaxListeners(0, this.signal);
  }

  async run(state: DemoState | null, count: number): Promise<void> {
    const ports = await this.choosePorts(count);
    await Chain.stopOrphans(this.folder.path);
    for (const port of [ports.hub, ...ports.edges]) await assertPortIsFree(port);
    if (!state) {
      this.folder.forgetState();
      await this.database.empty();
      this.folder.wipe();
    }
    const token = newControlToken();
    const control = await startTrialControl(token, () => this.stores);
    try {
      await this.runChain(state, ports, { HUB_TRIAL_CONTROL_URL: control.url, HUB_TRIAL_CONTROL_TOKEN: token });
    } finally {
      await control.close();
    }
  }

  private async runChain(state: DemoState | null, ports: Ports, hubEnv: Record<string, string>): Promise<void> {
    const { database, signal, folder, stores } = this;
    const { clock, display } = this.request;
    const options = { dataDir: folder.path, database, hubPort: ports.hub, clock, signal, hubEnv };
    const chain = await Chain.start(options);
    try {
      const settled = state ?? (await this.setUp(chain, ports));
      await this.openStores(chain, settled, ports);
      this.writeFleet(chain);
      const linkCode = await signInLink(chain, settled);
      display.showAround(writeSignIns(folder, chain.hub.url, settled, stores, linkCode));
      await this.trade(chain, settled);
    } catch (error) {
      if (!this.request.signal.aborted) throw error;
    } finally {
      this.ended.abort();
      display.say('stopping');
      await Promise.all(stores.map((store) => store.close()));
      await chain.stop();
    }
  }

  private async choosePorts(count: number): Promise<Ports> {
    const { portBase } = this.request;
    const ports: number[] = [];
    for (let index = 0; index <= count; index += 1) ports.push(portBase === 0 ? await freePort() : portBase + index);
    const [hub = 0, ...edges] = ports;
    return { hub, edges };
  }

  /** Written down only when it is complete: a first start that was killed half-way begins anew. */
  private async setUp(chain: Chain, ports: Ports): Promise<DemoState> {
    const { display, newPin } = this.request;
    display.say('setting up the chain');
    const { email, password } = await chain.createTenant(DEMO_TENANT);
    const headOffice = chain.signIn({ email, password });
    try {
      const prepared = await setUpHeadOffice(headOffice, ports.edges.length, newPin);
      const branches = await Promise.all(
        prepared.map((branch, index) => this.enrol(chain, branch, ports.edges[index])),
      );
      const state: DemoState = { headOffice: { email, password }, branches };
      this.folder.writeState(state);
      return state;
    } finally {
      headOffice.close();
    }
  }

  private async enrol(chain: Chain, branch: PreparedBranch, port = 0): Promise<DemoBranchState> {
    const { code, name, timeZone, operators, boxCode } = branch;
    const box = await chain.startEdge({ branch: code, port, enrolmentCode: boxCode, env: EDGE_RHYTHM });
    const tills: DemoBranchState['tills'] = [];
    for (const { till, deviceCode } of branch.tills) {
      const { deviceToken } = await TillClient.enrol(box.url, deviceCode, `Till ${till}`, this.signal);
      tills.push({ till, deviceToken });
    }
    return { code, name, timeZone, tills, operators };
  }

  private async openStores(chain: Chain, state: DemoState, ports: Ports): Promise<void> {
    const { signal, folder } = this;
    const { clock, chance, newId, pace, display } = this.request;
    const parts = { folder, till: { clock, chance, signal }, newId, pace, tell: (line: string) => display.say(line) };
    const boxes = await Promise.all(
      state.branches.map(
        ({ code }, index) =>
          chain.edgeOf(code) ?? chain.startEdge({ branch: code, port: ports.edges[index] ?? 0, env: EDGE_RHYTHM }),
      ),
    );
    for (const [index, branch] of state.branches.entries()) {
      const box = boxes[index];
      if (box) this.stores.push(await DemoStore.open(branch, box, parts));
    }
  }

  private writeFleet(chain: Chain): void {
    writeFleet(this.folder, chain.hub, this.database.url, this.stores);
  }

  private async trade(chain: Chain, state: DemoState): Promise<void> {
    const { signal, stores } = this;
    const { clock, display } = this.request;
    const tell = (line: string): void => display.say(line);
    const keeper = { clock, signal, tell, onBack: () => this.writeFleet(chain) };
    let isReady = false;
    const onSale = () => {
      if (isReady || stores.some(({ hasSold }) => !hasSold)) return;
      isReady = true;
      tell('READY');
    };
    await Promise.all([
      keepRunning({ name: 'hub', exited: () => chain.hubExited(), launch: () => chain.launchHub() }, keeper),
      ...stores.map(({ code, box }) =>
        keepRunning({ name: `edge ${code}`, exited: () => box.exited(), launch: () => box.launch() }, keeper),
      ),
      ...stores.map((store) => store.trade(onSale)),
      this.watch(chain, state),
      this.watchDatabase(),
    ]);
  }

  private async watch(chain: Chain, { headOffice: credentials }: DemoState): Promise<void> {
    const { signal, stores } = this;
    const { clock, display } = this.request;
    const headOffice = chain.signIn(credentials);
    const isHubUp = (): boolean => chain.hub.isRunning;
    const inLine = (): string => {
      const time = new Date(clock.now()).toISOString().slice(11, 19);
      const hub = `${time}Z hub ${isHubUp() ? 'up' : 'down'}`;
      return [hub, ...stores.map((store) => store.describe())].join(' | ');
    };
    try {
      await watchChain({
        headOffice,
        isHubUp,
        stores,
        clock,
        signal,
        tell: (line) => display.say(line),
        show: (view) => display.show(view, inLine),
      });
    } finally {
      headOffice.close();
    }
  }

  /** Nothing goes on without it, and it is not ours to start again in the middle of other people's transactions. */
  private async watchDatabase(): Promise<void> {
    const { signal } = this;
    await Promise.race([this.database.lost(signal), once(signal, 'abort')]);
    if (!signal.aborted) throw new Error('PostgreSQL has ended');
  }
}

import { createHash } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';
import { BadInput } from '@branchline/http/exit.js';
import { type ChainDatabase, openChainDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import { keepRunning } from '../chain/keep-running.js';
import { writePrivateJson } from '../chain/private-file.js';
import { assertBuilt } from '../chain/programs.js';
import { TillClient } from '../chain/till-client.js';
import { assertPortIsFree, freePort } from '../ports.js';
import { DEMO_TENANT, demoCatalogueCsv, demoProducts } from './demo-chain.js';
import { type DemoBranchState, DemoFolder, type DemoState } from './demo-state.js';
import { DemoStore } from './demo-store.js';
import { type PreparedBranch, setUpHeadOffice } from './set-up-demo.js';

export interface DemoRequest {
  dataDir: string;
  fresh: boolean;
  /** Absent: as many as there are, three the first time. */
  edges: number | undefined;
  /** The hub's port, the edges' follow; 0: any free ones. */
  portBase: number;
  /** A PostgreSQL server of the user's own; absent: an embedded one. */
  databaseUrl: string | undefined;
  clock: Clock;
  chance: () => number;
  newId: () => string;
  newPin: () => string;
  signal: AbortSignal;
  /** Lines for who watches. */
  say: (line: string) => void;
}

const EDGES_FIRST = 3;
const STATUS_MS = 5_000;
const EDGE_RHYTHM = { EDGE_POLL_MS: '5000', EDGE_RETRY_MS_MIN: '500', EDGE_RETRY_MS_MAX: '10000' };

/** A chain that trades, until the signal. However it ends, everything is stopped; the data stays. */
export async function runDemo(request: DemoRequest): Promise<void> {
  assertBuilt();
  const folder = DemoFolder.open(request.dataDir);
  try {
    const state = request.fresh ? null : folder.readState();
    const count = request.edges ?? state?.branches.length ?? EDGES_FIRST;
    if (state && state.branches.length !== count) {
      throw new BadInput(`${folder.path} has ${state.branches.length} edges, not ${count}: --fresh begins anew`);
    }
    const { databaseUrl: serverUrl } = request;
    const database = await openChainDatabase({
      dataDir: folder.path,
      serverUrl,
      name: serverUrl === undefined ? 'branchline' : `branchline_demo_${shortHash(folder.path)}`,
      durability: 'full',
    });
    try {
      await new Demo(request, folder, database).run(state, count);
    } finally {
      await database.stop();
    }
  } finally {
    folder.release();
  }
}

/** Two data folders on one server have two databases. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

interface Ports {
  hub: number;
  edges: number[];
}

class Demo {
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
    const { database, signal } = this;
    const { clock, say } = this.request;
    const ports = await this.choosePorts(count);
    await Chain.stopOrphans(this.folder.path);
    for (const port of [ports.hub, ...ports.edges]) await assertPortIsFree(port);
    if (!state) {
      await database.empty();
      this.folder.wipe();
    }
    const chain = await Chain.start({ dataDir: this.folder.path, database, hubPort: ports.hub, clock, signal });
    const stores: DemoStore[] = [];
    try {
      const settled = state ?? (await this.setUp(chain, ports));
      await this.openStores(chain, settled, ports, stores);
      this.showAround(chain, settled, stores);
      await this.trade(chain, stores);
    } catch (error) {
      if (!this.request.signal.aborted) throw error;
    } finally {
      this.ended.abort();
      say('stopping');
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
    const { say, newPin } = this.request;
    say('setting up the chain');
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
    const { code, name, priceZone, till, operators, boxCode, deviceCode } = branch;
    const box = await chain.startEdge({ branch: code, port, enrolmentCode: boxCode, env: EDGE_RHYTHM });
    const { deviceToken } = await TillClient.enrol(box.url, deviceCode, `Till ${till}`, this.signal);
    return { code, name, priceZone, till, deviceToken, operators };
  }

  private async openStores(chain: Chain, state: DemoState, ports: Ports, stores: DemoStore[]): Promise<void> {
    const { signal } = this;
    const { clock, chance, newId, say } = this.request;
    const parts = { folder: this.folder, till: { clock, chance, signal }, newId, tell: say };
    const boxes = await Promise.all(
      state.branches.map(
        ({ code }, index) =>
          chain.edgeOf(code) ?? chain.startEdge({ branch: code, port: ports.edges[index] ?? 0, env: EDGE_RHYTHM }),
      ),
    );
    for (const [index, branch] of state.branches.entries()) {
      const box = boxes[index];
      if (box) stores.push(await DemoStore.open(branch, box, parts));
    }
  }

  private showAround(chain: Chain, state: DemoState, stores: DemoStore[]): void {
    const { say } = this.request;
    this.writeFleet(chain, stores);
    const { email, password } = state.headOffice;
    const branches = stores.map(({ branch: { code, name, till, deviceToken, operators }, box }) => ({
      branch: code,
      name,
      url: box.url,
      till,
      deviceToken,
      operators,
    }));
    writePrivateJson(this.folder.file('sign-ins.json'), {
      headOffice: { url: chain.hub.url, email, password },
      branches,
    });
    say(`head office  ${chain.hub.url}  ${email}  password ${password}`);
    for (const { branch, name, url, operators } of branches) {
      const pins = operators.map(({ operator, role, pin }) => `${operator} (${role}) PIN ${pin}`);
      say(`${branch} ${name}  ${url}  ${pins.join(', ')}`);
    }
    say(`fleet      ${this.folder.file('fleet.json')}`);
    say(`sign-ins   ${this.folder.file('sign-ins.json')}`);
  }

  private writeFleet(chain: Chain, stores: DemoStore[]): void {
    writePrivateJson(this.folder.file('fleet.json'), {
      hub: { url: chain.hub.url, pid: chain.hub.pid, databaseUrl: this.database.url },
      edges: stores.map(({ branch: { code }, box, control }) => ({
        branch: code,
        url: box.url,
        pid: box.pid,
        database: this.folder.edgeDatabase(code),
        line: control.url,
      })),
    });
  }

  private async trade(chain: Chain, stores: DemoStore[]): Promise<void> {
    const { signal } = this;
    const { clock, say } = this.request;
    const onBack = () => this.writeFleet(chain, stores);
    const keeper = { clock, signal, tell: say, onBack };
    const csv = demoCatalogueCsv();
    let isReady = false;
    const onSale = () => {
      if (isReady || stores.some(({ sales }) => sales === 0)) return;
      isReady = true;
      say('READY');
    };
    await Promise.all([
      keepRunning({ name: 'hub', exited: () => chain.hubExited(), launch: () => chain.launchHub() }, keeper),
      ...stores.map(({ branch: { code }, box }) =>
        keepRunning({ name: `edge ${code}`, exited: () => box.exited(), launch: () => box.launch() }, keeper),
      ),
      ...stores.map((store) => store.trade(demoProducts(csv, store.branch.priceZone), onSale)),
      this.showStatus(chain, stores),
      this.watchDatabase(),
    ]);
  }

  private async showStatus(chain: Chain, stores: DemoStore[]): Promise<void> {
    const { clock, say } = this.request;
    while (await pause(STATUS_MS, true, { signal: this.signal }).catch(() => false)) {
      const time = new Date(clock.now()).toISOString().slice(11, 19);
      say(
        [`${time}Z hub ${chain.hub.isRunning ? 'up' : 'down'}`, ...stores.map((store) => store.describe())].join(' | '),
      );
    }
  }

  /** Nothing goes on without it, and it is not ours to start again in the middle of other people's transactions. */
  private async watchDatabase(): Promise<void> {
    const { signal } = this;
    await Promise.race([this.database.lost(signal), once(signal, 'abort')]);
    if (!signal.aborted) throw new Error('PostgreSQL has ended');
  }
}

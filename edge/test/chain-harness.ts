import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import type { AxiosInstance } from 'axios';
import { v7 } from 'uuid';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
} from '../../hub/test/hub-harness.js';
import { readConfig } from '../src/config.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import { sourceThread } from './source-thread/source-thread.js';

const PIN = '2468';

/** One hub and stores with whole edges, each with a line of its own that can be cut. */
export class ChainHarness {
  readonly stores = new Map<string, StoreHarness>();
  /** All that edges logged, at any level. */
  readonly logged: string[] = [];

  private constructor(readonly hub: HubHarness) {}

  static async start(branches: Record<string, { region: string }>): Promise<ChainHarness> {
    const chain = new ChainHarness(await startHubHarness());
    const { api } = chain.hub.admin;
    await createPlaces(api);
    for (const region of new Set(Object.values(branches).map((branch) => branch.region)))
      if (region !== 'R1') await create(api, '/v1/regions', { code: region, name: region });
    for (const [code, { region }] of Object.entries(branches)) {
      await createBranch(api, code, { region });
      const staff = { operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN };
      await create(api, `/v1/branches/${code}/staff`, staff);
      chain.stores.set(code, await StoreHarness.open(chain, code));
    }
    return chain;
  }

  store(code: string): StoreHarness {
    const store = this.stores.get(code);
    if (store === undefined) throw new Error(`there is no store ${code}`);
    return store;
  }

  async close(): Promise<void> {
    for (const store of this.stores.values()) await store.close();
    await this.hub.close();
  }
}

export class StoreHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'branchline-box-'));
  edge!: RunningEdge;
  /** The store's manager, signed in at its till. */
  manager!: AxiosInstance;
  private token = '';

  private constructor(
    private readonly chain: ChainHarness,
    readonly code: string,
    readonly line: FaultProxy,
  ) {}

  static async open(chain: ChainHarness, code: string): Promise<StoreHarness> {
    const target = { host: '127.0.0.1', port: Number(new URL(chain.hub.url).port) };
    const store = new StoreHarness(chain, code, await startFaultProxy({ target }));
    await store.start((await store.codeFor({ for: 'box' })).code);
    await store.signIn();
    return store;
  }

  async start(enrolmentCode?: string): Promise<void> {
    const logged = (message: unknown): void => void this.chain.logged.push(String(message));
    const config = readConfig({
      ...{ EDGE_DATA: this.folder, EDGE_HUB_URL: this.line.url, EDGE_PORT: '0', EDGE_POLL_MS: '150' },
      ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '5000' },
      ...(enrolmentCode !== undefined && { EDGE_ENROLMENT_CODE: enrolmentCode }),
    });
    this.edge = await startEdge({
      config,
      logger: { log: logged, warn: logged, error: logged, fatal: logged },
      clock: systemClock,
      newId: v7,
      onFatal: logged,
      readerThread: sourceThread('edge/src/reader-thread.ts'),
      writer: ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts')),
    });
    if (this.token !== '') this.manager = apiAt(this.edge.url, this.token);
  }

  /** All that is written here is at the hub. */
  async pushed(): Promise<SyncStatus> {
    let status = await this.status();
    await eventually(`an empty queue in ${this.code}`, async () => {
      status = await this.status();
      return status.queue === 0 && status.line === 'up';
    });
    return status;
  }

  async status(): Promise<SyncStatus> {
    return (await this.manager.get<SyncStatus>('/v1/sync/status')).data;
  }

  async close(): Promise<void> {
    await this.edge.close();
    await this.line.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private codeFor(what: Record<string, string>): Promise<{ code: string }> {
    return create(this.chain.hub.admin.api, `/v1/branches/${this.code}/enrolment-codes`, what);
  }

  private async signIn(): Promise<void> {
    const { code } = await this.codeFor({ for: 'device', till: 'T1' });
    await eventually('staff, settings and the code of the till', () =>
      ['operator', 'branch_setting', 'device_code'].every(
        (table) => this.edge.store.reads.get(`SELECT 1 FROM ${table}`) !== undefined,
      ),
    );
    const till = await create<{ deviceToken: string }>(apiAt(this.edge.url), '/v1/devices/enrol', {
      code,
      name: 'Till',
    });
    const device = apiAt(this.edge.url, till.deviceToken);
    const signedIn = await device.post<{ accessToken: string }>('/v1/auth/pin', { operator: 'M1', pin: PIN });
    if (signedIn.status !== 200) throw new Error(`sign-in: ${signedIn.status}`);
    this.token = signedIn.data.accessToken;
    this.manager = apiAt(this.edge.url, this.token);
  }
}

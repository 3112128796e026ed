import 'reflect-metadata';
import { expect } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import type { AxiosInstance, AxiosResponse } from 'axios';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
} from '../../hub/test/hub-harness.js';
import { takeBundleFile } from '../src/bundle-commands.js';
import type { BundleTaken } from '../src/replicator/bundle-in.js';
import { readConfig } from '../src/config.js';
import { enrolBox } from '../src/replicator/enrol-box.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { saveBox } from '../src/store/box.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import { sourceThread } from './source-thread/source-thread.js';

const PIN = '2468';
export const SALE_MINOR = 2_002;
const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };

const BINARY = { responseType: 'arraybuffer', maxBodyLength: Infinity } as const;
export const SENT = { headers: { 'content-type': BUNDLE_MEDIA_TYPE } };

/** A store with its box, and the file that is the carrier's stick. */
export type Store = {
  branch: string;
  dataDir: string;
  edge: RunningEdge;
  manager: AxiosInstance;
  sold: number;
};
export type Status = SyncStatus & {
  bundles: { lastOutAt: string | null; lastInAt: string | null; linesOut: number | null };
};

export const place = ({ dataDir }: Pick<Store, 'dataDir'>) => ({ dataDir, witnessFile: join(dataDir, 'witness') });

export async function bytesOf(answer: Promise<AxiosResponse<Buffer>>): Promise<Buffer> {
  const { status, data } = await answer;
  expect([status, status === 200 ? '' : data.toString()]).toEqual([200, '']);
  return data;
}

export async function well(answer: Promise<AxiosResponse>): Promise<Record<string, unknown>> {
  const { status, data } = await answer;
  expect([status, data]).toEqual([200, data]);
  return data as Record<string, unknown>;
}

/** A whole hub and whole edges that have no line: what they have to say is carried. */
export class BundleWorld {
  /** Imported so far. */
  products = 0;
  private readonly folders: string[] = [];
  private readonly open: RunningEdge[] = [];
  private reference = 0;

  private constructor(
    readonly hub: HubHarness,
    readonly line: FaultProxy,
  ) {}

  static async start(products: number): Promise<BundleWorld> {
    const hub = await startHubHarness();
    await createPlaces(hub.admin.api);
    const line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
    line.cut();
    const world = new BundleWorld(hub, line);
    await world.importProducts(products);
    return world;
  }

  async close(): Promise<void> {
    for (const edge of [...this.open]) await this.closeEdge(edge);
    await this.line.close();
    await this.hub.close();
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
  }

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'branchline-box-'));
    this.folders.push(folder);
    return folder;
  }

  async openEdge(dataDir: string): Promise<RunningEdge> {
    const config = readConfig({
      ...{
        EDGE_DATA: dataDir,
        EDGE_HUB_URL: this.line.url,
        EDGE_PORT: '0',
        EDGE_POLL_MS: '150',
        EDGE_PUSH_LINES: '20',
      },
      ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '2000' },
    });
    const onFatal = (error: Error): void => {
      throw error;
    };
    const edge = await startEdge({
      ...{ config, logger: quiet, clock: systemClock, newId: v7, onFatal },
      readerThread: sourceThread('edge/src/reader-thread.ts'),
      writer: ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts')),
    });
    this.open.push(edge);
    return edge;
  }

  async closeEdge(edge: RunningEdge): Promise<void> {
    this.open.splice(this.open.indexOf(edge), 1);
    await edge.close();
  }

  async codeFor(branch: string, what: Record<string, string>): Promise<string> {
    return (await create<{ code: string }>(this.hub.admin.api, `/v1/branches/${branch}/enrolment-codes`, what)).code;
  }

  /** Enrolled at head office, then carried to a store that never had a line: all it knows came as a bundle. */
  async openStore(branch: string, place: { region?: string } = {}): Promise<Store> {
    await createBranch(this.hub.admin.api, branch, place);
    await create(this.hub.admin.api, `/v1/branches/${branch}/staff`, {
      ...{ operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN },
    });
    const dataDir = await this.enrolled(branch);
    const tillCode = await this.codeFor(branch, { for: 'device', till: 'T1' });
    await this.hub.numbered();
    await this.carriedTo(dataDir, await this.downOf(branch));
    const store = await this.signedIn(branch, dataDir, tillCode);
    await create(store.manager, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
    return store;
  }

  /** @returns the folder of a new box of the branch, which knows nothing yet */
  async enrolled(branch: string): Promise<string> {
    const dataDir = this.folder();
    saveBox(dataDir, await enrolBox(this.hub.url, await this.codeFor(branch, { for: 'box' })));
    return dataDir;
  }

  /** Into a box that is not running. */
  carriedTo(dataDir: string, bundle: Buffer): Promise<BundleTaken> {
    const stick = join(dataDir, 'stick');
    writeFileSync(stick, bundle);
    return takeBundleFile(place({ dataDir }), stick);
  }

  async signedIn(branch: string, dataDir: string, tillCode: string): Promise<Store> {
    const edge = await this.openEdge(dataDir);
    const device = await create<{ deviceToken: string }>(apiAt(edge.url), '/v1/devices/enrol', {
      ...{ code: tillCode, name: 'Till 1' },
    });
    const signedIn = await apiAt(edge.url, device.deviceToken).post('/v1/auth/pin', { operator: 'M1', pin: PIN });
    expect(signedIn.status).toBe(200);
    return { branch, dataDir, edge, manager: apiAt(edge.url, signedIn.data.accessToken), sold: 0 };
  }

  /** A copy of all the box has, its witness too: nothing in it tells that more was sold since. */
  async backupOf(store: Store): Promise<string> {
    await this.closeEdge(store.edge);
    const backup = this.folder();
    cpSync(store.dataDir, backup, { recursive: true });
    await this.reopen(store, store.dataDir);
    return backup;
  }

  async restore(store: Store, backup: string): Promise<void> {
    await this.closeEdge(store.edge);
    const dataDir = this.folder();
    cpSync(backup, dataDir, { recursive: true });
    await this.reopen(store, dataDir);
  }

  private async reopen(store: Store, dataDir: string): Promise<void> {
    const token = String(store.manager.defaults.headers['authorization']).slice('Bearer '.length);
    store.edge = await this.openEdge(dataDir);
    store.manager = apiAt(store.edge.url, token);
    store.dataDir = dataDir;
  }

  async sell(store: Store, count: number, till = 'T1'): Promise<void> {
    for (let done = 0; done < count; done++) {
      await create(store.manager, '/v1/sales', {
        id: v7(),
        deviceReference: `${till}-20261120-${String((this.reference += 1)).padStart(6, '0')}`,
        occurredAt: new Date(systemClock.now()).toISOString(),
        lines: [{ lineNo: 1, product: 'P1', quantity: 2 }],
        tenders: [{ tenderNo: 1, type: 'cash', amountMinor: SALE_MINOR }],
        expectedTotalMinor: SALE_MINOR,
      });
    }
    store.sold += count;
  }

  upOf(store: Store, query = ''): Promise<Buffer> {
    return bytesOf(store.manager.get(`/v1/sync/bundle${query}`, BINARY));
  }

  downOf(branch: string): Promise<Buffer> {
    return bytesOf(this.hub.admin.api.get(`/v1/bundles/${branch}`, BINARY));
  }

  intoHub(bundle: Buffer, api = this.hub.admin.api): Promise<AxiosResponse> {
    return api.post('/v1/bundles', bundle, SENT);
  }

  intoEdge(store: Store, bundle: Buffer): Promise<AxiosResponse> {
    return store.manager.post('/v1/sync/bundle', bundle, SENT);
  }

  async statusOf(store: Store): Promise<Status> {
    return (await store.manager.get<Status>('/v1/sync/status')).data;
  }

  /** Equal head hashes prove the same lines; the report that each sale counts once. */
  async expectTheSame(store: Store): Promise<void> {
    const status = await this.statusOf(store);
    const [stream] = await this.hub.database.asOwner<{ seq: number; hash: string }>(
      `SELECT applied_seq::integer AS seq, encode(head_hash, 'hex') AS hash FROM incarnation WHERE incarnation = $1`,
      [status.incarnation],
    );
    expect(stream).toEqual({ seq: status.lastSeq, hash: status.headHash });
    expect(status.queue).toBe(0);
    const { api } = this.hub.admin;
    const report = await api.get(
      `/v1/reports/sales?groupBy=branch&from=2020-01-01&to=2099-12-31&branch=${store.branch}`,
    );
    expect(report.data.totals).toMatchObject({ baskets: store.sold, totalMinor: store.sold * SALE_MINOR });
  }

  /** Rows at the hub are what the lines say. */
  async expectVerified({ branch }: Store): Promise<void> {
    const verified = await this.hub.admin.api.post(`/v1/fleet/${branch}/verify`);
    expect([verified.data.outcome, verified.data.differences]).toEqual(['equal', []]);
  }

  /** What the store has of the catalogue is what the hub has published to it. */
  async expectTheSameCatalogue(store: Store): Promise<void> {
    for (const { scope, number, hash } of (await this.statusOf(store)).cursors) {
      const [head] = await this.hub.database.asOwner<{ newest: number; hash: string }>(
        `SELECT newest::integer, encode(hash, 'hex') AS hash FROM feed_head WHERE scope = $1`,
        [scope],
      );
      expect([scope, number, hash]).toEqual([scope, head?.newest ?? 0, head?.hash ?? '0'.repeat(64)]);
    }
    const count = (table: string): unknown => store.edge.store.reads.get(`SELECT count(*) AS n FROM ${table}`);
    expect([count('product'), count('price'), count('feed_staged')]).toEqual([
      { n: this.products },
      { n: this.products },
      { n: 0 },
    ]);
  }

  async importProducts(upTo: number): Promise<void> {
    const rows = Array.from(
      { length: upTo },
      (_, at) => `P${at},Product ${at},600${at},STD,no,A1,Z1,${1000 + at},,,yes`,
    );
    const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
    const imported = await this.hub.admin.api.post('/v1/imports/products', csv, {
      headers: { 'content-type': 'text/csv' },
    });
    expect(imported.data).toMatchObject({ bad: [] });
    this.products = upTo;
    await this.hub.numbered();
  }
}

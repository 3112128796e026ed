import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Chain } from '../chain/chain.js';
import { type EdgeBox, endpointOf } from '../chain/edge-box.js';
import type { HubClient } from '../chain/hub-client.js';
import { accepted, JsonClient, NoAnswer, Refused } from '../chain/json-client.js';
import { makeFolder } from '../chain/private-file.js';
import { syncStatusSchema } from '../chain/till-client.js';
import { DEMO_TENANT, DEMO_ZONES } from '../demo/demo-chain.js';
import { setUpHeadOffice } from '../demo/set-up-demo.js';
import { ChaosStore, type StoreParts } from './chaos-store.js';
import { CopiedDatabase, copyFolder } from './copied-database.js';
import { type BoxFacts, readBoxFacts, readHubFacts, readPrices } from './facts.js';
import { judge } from './judge.js';

export interface FieldParts extends StoreParts {
  dataDir: string;
  newPin: () => string;
  tell: (line: string) => void;
}

/** Boxes hear of everything within a second, so that a disaster is over soon. */
const RHYTHM = { EDGE_POLL_MS: '1000', EDGE_RETRY_MS_MIN: '100', EDGE_RETRY_MS_MAX: '500' };
const STORES = 2;
const PRICED = 'MILK-2L';
const QUIET_POLL_MS = 100;
const QUIET_MS_MAX = 60_000;
const STATUS_MS_MAX = 5_000;
const EXAMINE_POLL_MS = 1_000;
const WHOLE_MS_MAX = 20_000;

/**
 * Where disasters strike: a head office and two stores that trade, each a process of its own, with files that can be
 * copied and put back. The first store is struck, the other must not notice.
 */
export class Field {
  private readonly boxes = new Map<string, EdgeBox>();
  /** By branch the folder of its box. */
  private readonly places = new Map<string, string>();
  readonly stores: ChaosStore[] = [];
  private copies = 0;
  /** Processes that were killed. */
  kills = 0;

  private constructor(
    private readonly parts: FieldParts,
    readonly database: CopiedDatabase,
    readonly chain: Chain,
    readonly headOffice: { email: string; password: string },
  ) {}

  static async open(parts: FieldParts): Promise<Field> {
    const { dataDir, newPin } = parts;
    const { clock, signal } = parts.till;
    makeFolder(join(dataDir, 'copies'));
    const database = await CopiedDatabase.open(dataDir);
    try {
      const chain = await Chain.start({ dataDir, database, hubPort: 0, clock, signal });
      try {
        const { email, password } = await chain.createTenant(DEMO_TENANT);
        const field = new Field(parts, database, chain, { email, password });
        for (const branch of await field.withOffice((office) => setUpHeadOffice(office, STORES, newPin))) {
          const box = await field.openBox(branch.code, branch.code, branch.boxCode);
          field.stores.push(await ChaosStore.open(branch, box, parts));
        }
        return field;
      } catch (error) {
        await chain.stop();
        throw error;
      }
    } catch (error) {
      await database.stop();
      throw error;
    }
  }

  get struck(): ChaosStore {
    const [store] = this.stores;
    if (store === undefined) throw new Error('there is no store');
    return store;
  }

  /** @throws what the signal was given */
  throwIfStopped(): void {
    this.parts.till.signal.throwIfAborted();
  }

  /** Ends the box's process as a power cut does. */
  async killBox(folder: string): Promise<void> {
    await this.boxIn(folder).kill();
    this.kills += 1;
  }

  tell(line: string): void {
    this.parts.tell(line);
  }

  /** A number from 0 up to, and without, `below`. */
  draw(below: number): number {
    return Math.floor(this.parts.till.chance() * below);
  }

  /** At the hub of the moment. */
  signIn(): HubClient {
    return this.chain.signIn(this.headOffice);
  }

  async withOffice<T>(work: (office: HubClient) => Promise<T>): Promise<T> {
    const office = this.signIn();
    try {
      return await work(office);
    } finally {
      office.close();
    }
  }

  /** A box of that branch, in a folder of that name. With a code it enrols. */
  async openBox(folder: string, branch: string, enrolmentCode?: string): Promise<EdgeBox> {
    const box = await this.chain.startEdge({
      branch,
      folder,
      env: RHYTHM,
      ...(enrolmentCode !== undefined && { enrolmentCode }),
    });
    this.boxes.set(folder, box);
    return box;
  }

  boxIn(folder: string): EdgeBox {
    const box = this.boxes.get(folder);
    if (box === undefined) throw new Error(`there is no box in ${folder}`);
    return box;
  }

  /** Its process ends in order, and the folder is nobody's any more. */
  async closeBox(folder: string): Promise<void> {
    const box = this.boxIn(folder);
    this.boxes.delete(folder);
    await this.chain.stopEdge(box);
  }

  placeOf(branch: string): string {
    return this.places.get(branch) ?? branch;
  }

  setPlace(branch: string, folder: string): void {
    this.places.set(branch, folder);
  }

  /** A name for one more box of that branch. */
  newFolder(branch: string): string {
    this.copies += 1;
    return `${branch}-${this.copies}`;
  }

  remove(file: string): void {
    rmSync(file);
  }

  folderOf(folder: string): string {
    return join(this.parts.dataDir, 'edges', folder);
  }

  /** @returns the copy's place; the box must not be running */
  copyOf(folder: string): string {
    const to = this.newCopy();
    copyFolder(this.folderOf(folder), to);
    return to;
  }

  putBack(copy: string, folder: string): void {
    copyFolder(copy, this.folderOf(folder));
  }

  /** The hub and its database stop, the files are copied, and both start again. @returns the copy's place */
  async copyHub(): Promise<string> {
    const to = this.newCopy();
    await this.withHubDown(() => this.database.copyTo(to));
    return to;
  }

  async putHubBack(copy: string): Promise<void> {
    await this.withHubDown(() => this.database.putBack(copy));
  }

  /** The hub listens elsewhere each time it starts, and the lines to it follow. */
  async withHubDown(work: () => Promise<void>): Promise<void> {
    await this.chain.hub.stop();
    await work();
    await this.chain.launchHub();
    for (const box of this.boxes.values()) box.hubLine.retarget(endpointOf(this.chain.hub.url));
  }

  /** Until head office has everything, and tills have forgotten it. @throws Error with what is left */
  async untilApplied(): Promise<void> {
    await this.untilQuiet();
    for (const store of this.stores) store.forgetApplied();
  }

  /** Until every living box has sent what it has, and says so. @throws Error with what is left */
  async untilQuiet(): Promise<void> {
    const { signal } = this.parts.till;
    for (let waitedMs = 0; ; waitedMs += QUIET_POLL_MS) {
      const busy = await this.busyBoxes();
      if (busy.length === 0) return;
      if (waitedMs >= QUIET_MS_MAX) throw new Error(`not quiet after ${QUIET_MS_MAX / 1000} s: ${busy.join(', ')}`);
      await pause(QUIET_POLL_MS, undefined, { signal });
    }
  }

  /** What A to F say against every branch once all is quiet, and every box has been told to ask head office. */
  async examine(): Promise<string[]> {
    const { signal } = this.parts.till;
    for (const store of this.stores) await store.forceSync();
    for (let waitedMs = 0; ; waitedMs += EXAMINE_POLL_MS) {
      await this.untilQuiet();
      const complaints = await this.examineNow();
      if (complaints.length === 0 || waitedMs >= WHOLE_MS_MAX) return complaints;
      await pause(EXAMINE_POLL_MS, undefined, { signal });
    }
  }

  private async examineNow(): Promise<string[]> {
    const complaints: string[] = [];
    for (const store of this.stores) {
      const boxes: BoxFacts[] = [];
      for (const [folder, { branch }] of this.boxes) {
        if (branch !== store.code) continue;
        const scratchFile = join(this.parts.dataDir, 'copies', 'examined.db');
        const place = { folder, dataDir: this.folderOf(folder), scratchFile };
        boxes.push(await readBoxFacts(place, this.parts.till.signal));
      }
      const others = this.stores.filter((other) => other !== store).flatMap(({ told }) => told);
      const idsOfOthers = new Set(others.map(({ answer }) => answer.id));
      const hub = await readHubFacts(this.database.url, store.code);
      const found = judge({ told: store.told, hub, boxes, idsOfOthers });
      complaints.push(...found.map((complaint) => `${store.code}: ${complaint}`));
      const { outcome, differences } = await this.withOffice((office) => office.verify(store.code));
      if (outcome !== 'equal') {
        const first = differences.slice(0, 3).map(({ what, detail }) => `${what}: ${detail}`);
        complaints.push(`${store.code}: D: verify finds ${first.join('; ')}`);
      }
    }
    return complaints;
  }

  /** Until the box knows that head office has ended it: it says so to whoever asks, and sells on. */
  async untilRefused(folder: string): Promise<void> {
    const { signal } = this.parts.till;
    const box = this.boxIn(folder);
    const http = new JsonClient(box.url, signal, STATUS_MS_MAX);
    try {
      for (let waitedMs = 0; ; waitedMs += QUIET_POLL_MS) {
        const { body } = await http.ask({ method: 'GET', path: '/health/ready' });
        if (JSON.stringify(body).includes('"standing":"revoked"')) return;
        if (waitedMs >= QUIET_MS_MAX) throw new Error(`box ${folder} does not say that it was revoked`);
        await pause(QUIET_POLL_MS, undefined, { signal });
      }
    } finally {
      http.close();
    }
  }

  /** Another price for one product in every zone. */
  async changePrices(): Promise<void> {
    const priceMinor = 100 + this.draw(400);
    const rows = DEMO_ZONES.map(({ code }) => `${PRICED},Full cream milk 2 L,FREE,CORE,${code},${priceMinor},1`);
    const { bad } = await this.withOffice((office) =>
      office.importProducts(['product,name,taxClass,assortments,priceZone,priceMinor,pricePer', ...rows].join('\n')),
    );
    if (bad.length > 0) throw new Error(`the hub refuses a price: ${bad[0]?.reason}`);
  }

  /** Until each store sells at the prices that head office has. */
  async untilPricesAgree(): Promise<void> {
    const { signal } = this.parts.till;
    for (let waitedMs = 0; ; waitedMs += QUIET_POLL_MS) {
      const hub = await readPrices(this.database.url, PRICED);
      const differing: string[] = [];
      for (const store of this.stores) {
        const expected = hub.get(store.branch.priceZone);
        const found = await store.priceOf(PRICED);
        if (found !== expected) differing.push(`${store.code} sells at ${found}, head office says ${expected}`);
      }
      if (differing.length === 0) return;
      if (waitedMs >= QUIET_MS_MAX)
        throw new Error(`prices differ after ${QUIET_MS_MAX / 1000} s: ${differing.join(', ')}`);
      await pause(QUIET_POLL_MS, undefined, { signal });
    }
  }

  private async busyBoxes(): Promise<string[]> {
    const busy: string[] = [];
    for (const [folder, box] of this.boxes) {
      const token = this.stores.find(({ code }) => code === box.branch)?.deviceToken ?? '';
      const http = new JsonClient(box.url, this.parts.till.signal, STATUS_MS_MAX);
      try {
        const answer = await http.ask({ method: 'GET', path: '/v1/sync/status', token });
        const { queue, line } = accepted(`box ${folder}`, answer, syncStatusSchema);
        if (queue > 0 || line === 'down') busy.push(`box ${folder}: ${queue} lines wait, line ${line}`);
      } catch (error) {
        if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
        busy.push(`box ${folder}: ${error.message}`);
      } finally {
        http.close();
      }
    }
    return busy;
  }

  async close(): Promise<void> {
    for (const store of this.stores) store.close();
    await this.chain.stop();
    await this.database.stop();
  }

  private newCopy(): string {
    this.copies += 1;
    return join(this.parts.dataDir, 'copies', String(this.copies));
  }
}

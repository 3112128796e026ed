import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FeedBody } from '@branchline/replication/feed.js';
import { ManualClock } from '@branchline/domain/clock.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { v7 } from 'uuid';
import { applyFetched } from '../src/apply-fetched.js';
import { APPLIERS } from '../src/appliers.js';
import { closeShiftWithZ } from '../src/cash/close-shift.js';
import { openShift } from '../src/cash/open-shift.js';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { moveReference } from '../src/move-reference.js';
import { linesBehind } from '../src/replicator/history-due.js';
import { readHistories, readStreams, queueLength } from '../src/replicator/push-state.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import { completeSale } from '../src/selling/complete-sale.js';
import type { BoxIdentity } from '../src/store/box.js';
import type { FetchedApplier } from '../src/store/command.js';
import { openDatabase } from '../src/store/database.js';
import { examineFile } from '../src/store/doctor.js';
import { examineRows } from '../src/verify/examine-rows.js';
import { hashAt } from '../src/store/journal.js';
import { rebuild, type RebuildParts } from '../src/store/rebuild.js';
import { Store, type OwnStore } from '../src/store/store.js';
import { TABLE_ORIGINS } from '../src/store/table-origins.js';
import { visibleTake, writeRows } from '../src/store/testing/store-fixture.js';
import type { Connection, ReadTx } from '../src/store/tx.js';
import { contentHash } from '@branchline/replication/content-hash.js';

export const NOON = Date.parse('2026-11-20T12:00:00.000Z');
const BY = { actor: 'MAX', device: null };
/** Two of MILK at 19.99. */
export const SALE_MINOR = 3_998;

type RowsKind = keyof typeof FEED_ROWS;

/** One box of a branch, on its own disk: files, and what a till does at it. */
export class WorldBox {
  readonly folder = mkdtempSync(join(tmpdir(), 'branchline-world-'));
  readonly clock = new ManualClock(NOON);
  readonly alarms: string[] = [];
  store!: OwnStore;
  /** As the release that runs on the box takes lines: an older one, before an upgrade. */
  takes: FetchedApplier = applyFetched;
  private backups = 0;

  private constructor(
    readonly identity: BoxIdentity,
    private readonly newId: () => string,
  ) {}

  /** @param from a box whose disk this one is a copy of */
  static async start(identity: BoxIdentity, from?: WorldBox, newId: () => string = v7): Promise<WorldBox> {
    const box = new WorldBox(identity, newId);
    if (from !== undefined) {
      await from.close();
      for (const name of ['edge.db', 'witness']) copyFileSync(join(from.folder, name), join(box.folder, name));
      await from.open();
    }
    await box.open();
    return box;
  }

  async open(): Promise<void> {
    this.store = await Store.open({
      config: { databaseFile: join(this.folder, 'edge.db'), witnessFile: join(this.folder, 'witness') },
      ...{ box: this.identity, appliers: APPLIERS, moveReference, applyFetched: this.takes },
      ...{ clock: this.clock, newId: this.newId },
      alarm: (message) => this.alarms.push(message),
      onFatal: (error) => this.alarms.push(error.message),
    });
    if (this.store.reads.get('SELECT 1 FROM branch_setting') === undefined) await this.feed();
  }

  close(): Promise<void> {
    return this.store.close();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @returns what a restore is given */
  async backup(): Promise<string> {
    this.backups += 1;
    const name = `backup-${this.backups}`;
    await this.close();
    for (const file of ['edge.db', 'witness'])
      copyFileSync(join(this.folder, file), join(this.folder, `${name}-${file}`));
    await this.open();
    return name;
  }

  /** Yesterday's file in its place; `witness` says what of it was kept. */
  async restore(backup: string, witness: 'restored too' | 'kept' | 'lost'): Promise<void> {
    await this.close();
    for (const name of ['edge.db-wal', 'edge.db-shm']) rmSync(join(this.folder, name), { force: true });
    copyFileSync(join(this.folder, `${backup}-edge.db`), join(this.folder, 'edge.db'));
    if (witness === 'restored too') copyFileSync(join(this.folder, `${backup}-witness`), join(this.folder, 'witness'));
    if (witness === 'lost') rmSync(join(this.folder, 'witness'));
    await this.open();
  }

  /** @returns the sale's id, which the till was told is done */
  async sell(till = 'T1'): Promise<string> {
    const input = {
      id: this.newId(),
      lines: [{ lineNo: 1, product: 'MILK', quantity: 2 }],
      tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 4_000 }],
    };
    const { box, writer } = this.store;
    const sale = { input, contentHash: contentHash(input), till, branchCode: box.branchCode, mayImport: false };
    const { answer } = await writer.execute(completeSale, sale, BY);
    return answer.id;
  }

  async sellMany(count: number, till = 'T1'): Promise<string[]> {
    const ids: string[] = [];
    for (let sold = 0; sold < count; sold += 1) ids.push(await this.sell(till));
    return ids;
  }

  async openShift(drawer = 'D1', till = 'T1'): Promise<string> {
    const input = { id: this.newId(), drawer, floatMinor: 10_000 };
    const shift = { input, contentHash: contentHash(input), till, mayImport: false };
    return (await this.store.writer.execute(openShift, shift, BY)).answer.id;
  }

  async closeShift(id: string) {
    const declared = [{ tenderType: 'cash', amountMinor: 10_000 }];
    return (await this.store.writer.execute(closeShiftWithZ, { id, till: 'T1', declared }, BY)).answer;
  }

  openShifts(): string[] {
    return this.store.reads
      .all<{ id: string }>('SELECT id FROM shift WHERE closed_at IS NULL ORDER BY no')
      .map(({ id }) => id);
  }

  sales(): string[] {
    return this.store.reads
      .all<{ id: string }>('SELECT id FROM sale')
      .map(({ id }) => id)
      .toSorted();
  }

  logged(event: string): string[] {
    return readSyncLog(this.store.reads, 1_000, null)
      .filter((entry) => entry.event === event)
      .map(({ detail }) => detail);
  }

  /** A replicator until both ends hold the same. */
  async meet(hub: FakeHub, url = hub.url): Promise<void> {
    const config = { hubUrl: url, pollMs: 100, pushLines: 10, requestTimeoutMs: 500, retryMsMin: 10, retryMsMax: 40 };
    const logger = { error: (line: string) => void this.alarms.push(line) };
    const { replicator } = replicatorOn(this.store, url, { config, logger });
    replicator.start();
    try {
      await eventually(`one mind: ${this.differences(hub).join('; ')}`, () => {
        if (this.differences(hub).length === 0) return true;
        replicator.force();
        return false;
      });
    } finally {
      await replicator.stop();
    }
  }

  /** Between this file and the hub; both have every line of the branch when there are none. */
  differences(hub: FakeHub): string[] {
    const { reads } = this.store;
    const found: string[] = [];
    const histories = readHistories(reads).filter(({ lastSeq }) => lastSeq > 0);
    for (const { incarnation, incarnationNo, lastSeq } of histories) {
      const head = hub.headOf(incarnation);
      if (head.seq !== lastSeq || head.hash !== hashAt(reads, incarnationNo, lastSeq))
        found.push(`${incarnation}: ${lastSeq} here, ${head.seq} at the hub`);
    }
    for (const incarnation of hub.streams.keys())
      if (!histories.some((history) => history.incarnation === incarnation)) found.push(`${incarnation} is not here`);
    const left = [queueLength(readStreams(reads)), linesBehind(reads)];
    if (left.some((lines) => lines > 0)) found.push(`${left[0]} to push, ${left[1]} to fetch`);
    return found;
  }

  private async feed(): Promise<void> {
    const record = <K extends RowsKind>(kind: K, key: string, body: FeedBody<K>): Promise<void> =>
      writeRows(this.store, (tx) =>
        FEED_ROWS[kind].apply(tx, {
          take: visibleTake(tx),
          key,
          version: 1,
          contract: 1,
          deleted: false,
          body: body as never,
        }),
      );
    await record('tax-class', 'STD', { code: 'STD', components: [{ code: 'VAT15', ratePpm: 150_000 }] });
    await record('branch-settings', 'settings', {
      ...{ code: 'B001', name: 'Sea Point', timeZone: 'Africa/Johannesburg', cutOffMinutes: 180, currency: 'ZAR' },
      ...{ taxRounding: 'line', defaultTaxClass: null, priceZone: 'Z1', assortment: 'A1', region: 'CAPE' },
      receiptName: 'Branchline',
    });
    const [none, product] = [null, { code: 'MILK', name: 'Milk', taxClass: 'STD', fractional: false, active: true }];
    await record('product', 'MILK', {
      ...{ category: none, department: none, brand: none, packSize: none, barcodes: [], ...product },
    });
    const price = { minor: 1_999, per: 1 };
    await record('price', 'MILK/0', { product: 'MILK', price, currency: 'ZAR', validFrom: 0, validTo: null });
  }
}

/** Every sale of the branch as the hub has it, from whichever history. */
export function salesAtHub(hub: FakeHub): Map<string, SaleBody> {
  const sales = new Map<string, SaleBody>();
  for (const { lines } of hub.streams.values())
    for (const { kind, key, body } of lines)
      if (kind === 'sale' && !sales.has(key)) sales.set(key, body as unknown as SaleBody);
  return sales;
}

const journalRows = (tx: ReadTx): Record<string, unknown[]> =>
  Object.fromEntries(
    Object.entries(TABLE_ORIGINS)
      .filter(([table, origin]) => origin === 'journal' || (origin === 'machinery' && table !== 'migrations'))
      .map(([table]) => [table, tx.all(`SELECT * FROM ${table} ORDER BY 1, 2`)]),
  );

/** A, B, C, E and the rebuild, of one file against what tills were told and what the hub has. @returns what does not hold */
export async function broken(
  { store, folder }: WorldBox,
  hub: FakeHub,
  told: ReadonlySet<string>,
  release: Partial<RebuildParts> = {},
): Promise<string[]> {
  const { reads } = store;
  const atHub = salesAtHub(hub);
  const found: string[] = [];
  const expect = (what: string, here: unknown, there: unknown): void => {
    if (JSON.stringify(here) !== JSON.stringify(there))
      found.push(`${what}: ${JSON.stringify(here)} is not ${JSON.stringify(there)}`);
  };
  for (const id of told) if (!atHub.has(id)) found.push(`sale ${id} is lost`);
  const rows = reads.all<{ id: string; total: number; receipt: string; flags: string | null }>(
    'SELECT id, total_minor AS total, receipt_number AS receipt, flags FROM sale ORDER BY id',
  );
  expect(
    'sales',
    rows.map(({ id }) => id),
    [...atHub.keys()].toSorted(),
  );
  const [stock] = reads.all<{ sum: number }>('SELECT coalesce(sum(on_hand_milli), 0) AS sum FROM stock_balance');
  expect('stock', stock?.sum, -2_000 * atHub.size);
  const [moved] = reads.all<{ sum: number }>('SELECT coalesce(sum(quantity_milli), 0) AS sum FROM stock_movement');
  expect('movements', moved?.sum, -2_000 * atHub.size);
  const [cash] = reads.all<{ sum: number }>('SELECT coalesce(sum(amount_minor), 0) AS sum FROM tender_entry');
  expect('tenders', cash?.sum, SALE_MINOR * atHub.size);
  const [total] = reads.all<{ sum: number }>('SELECT coalesce(sum(grand_total_minor), 0) AS sum FROM till_total');
  expect('grand total', total?.sum, SALE_MINOR * atHub.size);
  const flagged = rows.filter(({ flags }) => flags?.includes('duplicate-receipt-number')).length;
  expect('doubled receipts flagged', flagged, rows.length - new Set(rows.map(({ receipt }) => receipt)).size);
  const parts: RebuildParts = { appliers: APPLIERS, moveReference, applyFetched, ...release };
  const connection = reads as Connection;
  for (const { what, well, detail } of [
    ...examineFile(connection),
    ...examineRows(connection, join(folder, 'edge.db'), parts),
  ])
    if (!well) found.push(`${what}: ${detail}`);
  const again = mkdtempSync(join(folder, 'rebuilt-'));
  const target = await openDatabase(join(again, 'edge.db'));
  try {
    rebuild(reads, target.connection, parts);
    const [written, rebuilt] = [journalRows(reads), journalRows(target.connection)];
    for (const [table, now] of Object.entries(written)) expect(`rebuilt ${table}`, rebuilt[table], now);
  } finally {
    target.close();
    rmSync(again, { recursive: true });
  }
  return found;
}

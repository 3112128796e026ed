import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '@branchline/http/problem.js';
import { FEED_PAGE_RECORDS_MAX } from '@branchline/replication/feed.js';
import type { Database } from '../database/unit-of-work.js';
import { feedStand, type FeedStand } from './read-feed.js';
import { writeSnapshot, type Snapshot, type SnapshotFile } from './write-snapshot.js';

/** A shorter feed is sooner read than a file made of it, unless its beginning is gone. */
const RECORDS_MIN = 2 * FEED_PAGE_RECORDS_MAX;
/** So far behind the head a snapshot is made anew: by then its reader would page through more than a quarter of what is in it. */
const BEHIND_MIN = 2 * FEED_PAGE_RECORDS_MAX;
const BEHIND_SHARE = 4;
/** Of all files; those asked for longest ago go first. One that is being read is there until it is read. */
const DISK_BYTES_MAX = 4 * 1024 ** 3;
const BUILD_STATEMENT_MS_MAX = 60_000;
const FOLDER = 'branchline-snapshots-';

type ScopeStand = Pick<FeedStand, 'scope' | 'hubEpoch' | 'newest' | 'floor'>;
export type OpenSnapshot = { snapshot: Snapshot; file: SnapshotFile; handle: FileHandle };

/**
 * A file per scope, made when the first box asks and shared by all that follow. They are in a folder of this process that
 * goes with it: all of it is derived, another process makes the same bytes. Made one at a time, so that a thousand boxes
 * that come back do not build a hundred files at once.
 */
export class Snapshots {
  private readonly known = new Map<string, Snapshot>();
  private readonly making = new Map<string, Promise<Snapshot>>();
  private turn: Promise<unknown> = Promise.resolve();
  private folder: Promise<string> | undefined;

  constructor(
    private readonly database: Database,
    private readonly place: string,
    private readonly limits = { recordsMin: RECORDS_MIN, behindMin: BEHIND_MIN, diskBytesMax: DISK_BYTES_MAX },
  ) {}

  /**
   * For a reader whose right to the scope the caller has looked at. The caller closes the handle.
   * @throws Problem `no-snapshot` where reading the feed is the shorter way
   */
  async open(tenantId: string, stand: ScopeStand, isBrotli: boolean): Promise<OpenSnapshot> {
    if (stand.floor === 0 && stand.newest < this.limits.recordsMin) throw problem('no-snapshot');
    const key = JSON.stringify([tenantId, stand.hubEpoch, stand.scope]);
    const snapshot = await this.current(key, tenantId, stand);
    const file = isBrotli ? snapshot.brotli : snapshot.plain;
    return { snapshot, file, handle: await open(file.path) };
  }

  async close(): Promise<void> {
    await this.turn.catch(() => undefined);
    if (this.folder !== undefined) await rm(await this.folder, { recursive: true, force: true });
  }

  private async current(key: string, tenantId: string, stand: ScopeStand): Promise<Snapshot> {
    const known = this.known.get(key);
    if (known !== undefined && this.isFresh(known, stand) && (await this.isOnFeed(tenantId, known))) {
      this.known.delete(key);
      this.known.set(key, known);
      return known;
    }
    const running = this.making.get(key);
    if (running !== undefined) return running;
    const made = this.turn.then(() => this.make(key, tenantId, stand.scope));
    this.turn = made.catch(() => undefined);
    this.making.set(key, made);
    return made.finally(() => this.making.delete(key));
  }

  private isFresh({ facts }: Snapshot, { newest, floor }: ScopeStand): boolean {
    const behindMax = Math.max(this.limits.behindMin, facts.records / BEHIND_SHARE);
    return facts.number >= floor && facts.number <= newest && newest - facts.number <= behindMax;
  }

  /** Not after the database was put back under a hub that went on running. */
  private async isOnFeed(tenantId: string, { facts: { scope, number, hash } }: Snapshot): Promise<boolean> {
    const { hashThere } = await this.database.transaction(tenantId, (tx) => feedStand(tx, scope, number));
    return hashThere === hash;
  }

  private async make(key: string, tenantId: string, scope: string): Promise<Snapshot> {
    this.folder ??= this.makeFolder();
    const name = createHash('sha256')
      .update(`${key} ${(this.made += 1)}`)
      .digest('hex')
      .slice(0, 32);
    const path = join(await this.folder, `${name}.sqlite`);
    const options = { isolation: 'REPEATABLE READ', statementMsMax: BUILD_STATEMENT_MS_MAX } as const;
    const snapshot = await writeSnapshot((work) => this.database.transaction(tenantId, work, options), scope, path);
    const before = this.known.get(key);
    this.known.delete(key);
    this.known.set(key, snapshot);
    if (before !== undefined) await remove(before);
    await this.keepBounded();
    return snapshot;
  }

  private made = 0;

  private async keepBounded(): Promise<void> {
    let bytes = [...this.known.values()].reduce((sum, each) => sum + bytesOf(each), 0);
    for (const [key, snapshot] of this.known) {
      if (bytes <= this.limits.diskBytesMax || this.known.size === 1) return;
      this.known.delete(key);
      bytes -= bytesOf(snapshot);
      await remove(snapshot);
    }
  }

  /** What processes left that are no more goes first: a hub that was killed has cleared nothing away. */
  private async makeFolder(): Promise<string> {
    await mkdir(this.place, { recursive: true });
    for (const name of await readdir(this.place)) {
      const pid = name.startsWith(FOLDER) ? Number(name.slice(FOLDER.length).split('-', 1)[0]) : NaN;
      if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(this.place, name), { recursive: true, force: true });
    }
    return mkdtemp(join(this.place, `${FOLDER}${process.pid}-`));
  }
}

const bytesOf = ({ plain, brotli }: Snapshot): number => plain.bytes + brotli.bytes;

async function remove({ plain, brotli }: Snapshot): Promise<void> {
  for (const { path } of [plain, brotli]) await rm(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

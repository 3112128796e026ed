import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { openDataSource } from '../../database/database.js';
import { toOtherWork } from '../../database/give-way.js';
import { Database } from '../../database/unit-of-work.js';
import { applyPush, openAndRead, type AppliedPush, type PushBox, type PushSource } from '../apply-push.js';
import { inflatePush } from '../push-body.js';
import { plainFailure, type BulkPlace, type FromBulkThread, type ToBulkThread } from './bulk-messages.js';
import { givingWayTo } from './short-pushes.js';

/** As many as the lane of pushes lets work at once. */
const CONNECTIONS_MAX = 4;
/** Of Linux: what others need comes first, and what nobody needs is left to it. */
const NICENESS = 5;

type Push = Extract<ToBulkThread, { kind: 'push' }>;

/** The whole of the thread: applies pushes, asked by messages, on connections of its own. */
export function serveBulkPushes(parts: { clock: Clock; newId: NewId; random: () => number }): void {
  if (parentPort === null) throw new Error('bulk pushes are served from a thread of their own');
  yieldToOthers();
  const served = new ServedPushes(open(workerData as BulkPlace, parts), parentPort);
  parentPort.on('message', (message: ToBulkThread) => {
    if (message.kind === 'push') void served.push(message);
    else void served.close();
  });
}

async function open(
  { databaseUrl, shortPushes }: BulkPlace,
  { clock, newId, random }: Parameters<typeof serveBulkPushes>[0],
): Promise<PushSource> {
  const giveWay = givingWayTo(shortPushes, toOtherWork);
  const database = new Database(await openDataSource(databaseUrl, CONNECTIONS_MAX), random, giveWay);
  return { database, clock, newId };
}

class ServedPushes {
  private readonly working = new Set<Promise<void>>();
  /** By box: when its last push is in, or is not, and all before it. */
  private readonly lasts = new Map<string, Promise<void>>();

  constructor(
    private readonly opened: Promise<PushSource>,
    private readonly port: MessagePort,
  ) {
    opened
      .then(({ database }) => database.onAnnouncement((announcement) => this.tell({ kind: 'announced', announcement })))
      // Ends the thread, and with it whatever waits; the next push begins it anew.
      .catch(() => process.exit(1));
  }

  async push(push: Push): Promise<void> {
    const work = this.apply(push);
    this.working.add(work);
    await work;
    this.working.delete(work);
  }

  async close(): Promise<void> {
    await Promise.all(this.working);
    const source = await this.opened.catch(() => null);
    await source?.database.close();
    this.port.close();
  }

  private async apply({ no, who, sent }: Push): Promise<void> {
    const source = await this.opened.catch(() => null);
    if (source === null) return;
    const { boxId } = who;
    const before = this.lasts.get(boxId) ?? Promise.resolve();
    const applied = takeBulk(source, who, sent, before);
    const last = applied.catch(() => undefined).then(() => before);
    this.lasts.set(boxId, last);
    try {
      this.tell({ kind: 'applied', no, applied: await applied });
    } catch (error) {
      this.tell({ kind: 'failed', no, failure: plainFailure(error) });
    }
    if (this.lasts.get(boxId) === last) this.lasts.delete(boxId);
  }

  private tell(message: FromBulkThread): void {
    this.port.postMessage(message);
  }
}

/**
 * Reads a push while the one before it is in the database, and takes it in after that. Whatever becomes of that one: a push
 * that misses it is refused for it.
 */
async function takeBulk(
  source: PushSource,
  who: PushBox,
  { bytes, encoding, mediaType }: Push['sent'],
  before: Promise<void>,
): Promise<AppliedPush> {
  const body = await inflatePush(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), encoding);
  const opened = await openAndRead(body, mediaType, source.database.giveWay);
  await before;
  return applyPush(source, who, opened);
}

/** Linux has a priority for each thread, and names the thread that asks. Elsewhere all are alike. */
function yieldToOthers(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, NICENESS);
  } catch {
    // No such place, or not allowed: it works all the same.
  }
}

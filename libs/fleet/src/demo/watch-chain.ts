import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';
import type { HubClient } from '../chain/hub-client.js';
import { NoAnswer, Refused } from '../chain/json-client.js';
import type { BranchView, ChainView } from './chain-view.js';
import { DEMO_TENANT } from './demo-chain.js';
import type { DemoStore } from './demo-store.js';
import { clockFace, localTime } from './rhythm.js';

export interface WatchParts {
  headOffice: HubClient;
  isHubUp: () => boolean;
  stores: readonly DemoStore[];
  clock: Clock;
  signal: AbortSignal;
  tell: (line: string) => void;
  show: (view: ChainView) => void;
}

const VIEW_MS = 1_000;

/** Shows the chain once a second, until the signal, and tells when a line is cut, restored and caught up. */
export async function watchChain(parts: WatchParts): Promise<void> {
  const { clock, signal, isHubUp, stores, tell, show } = parts;
  const lines = new Map<DemoStore, LineWatch>();
  for (const store of stores) lines.set(store, new LineWatch(store, clock, tell));
  let headOffice: HeadOffice | null = null;
  while (!signal.aborted) {
    if (isHubUp()) headOffice = (await askHeadOffice(parts)) ?? headOffice;
    if (signal.aborted) return;
    for (const line of lines.values()) line.look();
    show(viewOf(parts, headOffice));
    await pause(VIEW_MS, undefined, { signal }).catch(() => undefined);
  }
}

interface HeadOffice {
  baskets: number;
  totalMinor: number;
  provedTo: ReadonlyMap<string, number | null>;
}

/** Null: it is stopping or being started again. */
async function askHeadOffice({ headOffice, stores, signal }: WatchParts): Promise<HeadOffice | null> {
  const today = new Map(stores.map(({ code, businessDate }) => [code, businessDate]));
  const dates = [...today.values()].sort();
  try {
    const { rows } = await headOffice.salesByDay({ from: dates.at(0) ?? '', to: dates.at(-1) ?? '' });
    // Past midnight in the east it is still yesterday in the west.
    const current = rows.filter(({ branch, businessDate }) => today.get(branch) === businessDate);
    const fleet = await headOffice.fleet();
    return {
      baskets: current.reduce((sum, { baskets }) => sum + baskets, 0),
      totalMinor: current.reduce((sum, { totalMinor }) => sum + totalMinor, 0),
      provedTo: new Map(fleet.map(({ branch, provedTo }) => [branch, provedTo?.seq ?? null])),
    };
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof Refused || signal.aborted) return null;
    throw error;
  }
}

function viewOf({ clock, isHubUp, stores }: WatchParts, headOffice: HeadOffice | null): ChainView {
  const atMs = clock.now();
  return {
    atMs,
    hub: isHubUp() ? 'up' : 'down',
    currency: DEMO_TENANT.currency,
    branches: stores.map((store) => branchView(store, atMs, headOffice?.provedTo.get(store.code) ?? null)),
    headOffice: headOffice && { baskets: headOffice.baskets, totalMinor: headOffice.totalMinor },
  };
}

function branchView(store: DemoStore, atMs: number, provedTo: number | null): BranchView {
  const { branch, box, status, toldToday } = store;
  return {
    branch: branch.code,
    name: branch.name,
    clock: clockFace(localTime(atMs, branch.timeZone)),
    line: box.hubLine.isCut ? 'down' : 'up',
    box: box.isRunning ? 'up' : 'down',
    sales: toldToday.baskets,
    takingsMinor: toldToday.totalMinor,
    queue: status?.queue ?? null,
    lagMs: status && lagMsOf(status.oldestQueuedAt, atMs),
    provedTo,
  };
}

function lagMsOf(oldestQueuedAt: string | null | undefined, atMs: number): number {
  return !oldestQueuedAt ? 0 : Math.max(atMs - Date.parse(oldestQueuedAt), 0);
}

/** Whoever cuts it (the page, the table's reader with curl), it is told. */
class LineWatch {
  private isCut = false;
  private catchingUp: { sinceMs: number; lines: number } | null = null;

  constructor(
    private readonly store: DemoStore,
    private readonly clock: Clock,
    private readonly tell: (line: string) => void,
  ) {}

  look(): void {
    const { store, clock, tell } = this;
    const { isCut } = store.box.hubLine;
    const queue = store.status?.queue ?? null;
    if (isCut !== this.isCut) {
      this.isCut = isCut;
      this.catchingUp = isCut || queue === null ? null : { sinceMs: clock.now(), lines: queue };
      tell(`${store.code}: line ${isCut ? 'cut' : `restored, ${queue ?? 'unknown'} lines to send`}`);
    } else if (this.catchingUp && queue === 0) {
      const { sinceMs, lines } = this.catchingUp;
      this.catchingUp = null;
      tell(`${store.code}: caught up, ${lines} lines in ${((clock.now() - sinceMs) / 1000).toFixed(1)} s`);
    }
  }
}

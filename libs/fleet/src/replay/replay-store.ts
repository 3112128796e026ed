import { setTimeout as pause } from 'node:timers/promises';
import type { Chain } from '../chain/chain.js';
import type { EdgeBox } from '../chain/edge-box.js';
import type { HubClient } from '../chain/hub-client.js';
import { Refused } from '../chain/json-client.js';
import { type SyncStatus, TillClient, type TillOptions } from '../chain/till-client.js';
import { REPLAY_TILL } from '../complete-journey/basket-to-sale.js';
import type { Basket } from '../complete-journey/journey.js';
import { sumsOfDays } from './compare.js';
import { isAway, NO_OUTAGE_YET, Outage } from './outage.js';
import { planOutage } from './outage-plan.js';
import type { ReplayFolder, StoreState } from './replay-folder.js';
import { countSold, StoreTrading } from './store-trading.js';

export interface StoreJob {
  chain: Chain;
  headOffice: HubClient;
  folder: ReplayFolder;
  store: string;
  branch: string;
  /** Among the stores of the replay, from 0. */
  position: number;
  baskets: readonly Basket[];
  withOutage: boolean;
  till: Pick<TillOptions, 'clock' | 'chance' | 'signal'>;
  newPin: () => string;
  /** So many more of its baskets are at the edge. */
  onSold: (baskets: number) => void;
  onPeakMb: (peakMb: number | null) => void;
}

/** Quicker than in a shop: a replay waits for each store's last acknowledgement. */
export const EDGE_RHYTHM = {
  EDGE_POLL_MS: '10000',
  EDGE_RETRY_MS_MIN: '100',
  EDGE_RETRY_MS_MAX: '1000',
  EDGE_REQUEST_TIMEOUT_MS: '10000',
};
export const IMPORTER = { operator: 'IMPORT', name: 'Import of past sales', role: 'importer' };
const ACKNOWLEDGED_MS_MAX = 120_000;
const ACKNOWLEDGED_POLL_MS = 50;

/** A store from its enrolment to its last acknowledged line, or from where an earlier run left it. The box is stopped at the end. */
export async function replayStore(job: StoreJob): Promise<void> {
  const { chain, branch, folder, baskets, till: tillParts } = job;
  const known = folder.readStore(branch);
  const state = known ?? { pin: job.newPin(), deviceToken: null, outage: null, done: null };
  const keep = (more: Partial<StoreState>) => folder.writeStore(branch, Object.assign(state, more));
  // Before head office learns the PIN: a run that is resumed must know it.
  if (!known) keep({});
  const box = await startBox(job, state, keep);
  const { operator } = IMPORTER;
  const { pin, deviceToken } = state;
  const till = new TillClient({ ...tillParts, url: box.url, deviceToken: deviceToken ?? '', operator, pin });
  try {
    const outage = job.withOutage ? outageOf(job, state, box, till, keep) : null;
    const sold = known ? await countSold(till, baskets) : 0;
    const soldBefore = outage ? outage.resumeAt(sold) : sold;
    job.onSold(soldBefore);
    const parts = { store: job.store, baskets, till, outage, soldBefore, onSale: () => job.onSold(1) };
    const days = await new StoreTrading(parts).run();
    const { incarnation, lastSeq, headHash } = await untilAcknowledged(till, branch, tillParts.signal);
    const lastDay = days.at(-1)?.businessDate ?? null;
    keep({ done: { sums: sumsOfDays(days), lastDay, head: { incarnation, lastSeq, headHash } } });
  } finally {
    till.close();
    await chain.stopEdge(box);
    job.onPeakMb(box.peakMb);
  }
}

/** Each step may have been taken by a run that ended before it could say so: codes are asked for anew, staff may be there. */
async function startBox(job: StoreJob, state: StoreState, keep: (more: Partial<StoreState>) => void): Promise<EdgeBox> {
  const { chain, headOffice, branch, withOutage, till } = job;
  const isNew = state.deviceToken === null;
  if (isNew) await headOffice.addStaff(branch, { ...IMPORTER, pin: state.pin }).catch(unlessThere);
  const deviceCode = isNew ? await headOffice.enrolmentCode(branch, { for: 'device', till: REPLAY_TILL }) : '';
  const enrolmentCode = chain.isEnrolled(branch) ? '' : await headOffice.enrolmentCode(branch, { for: 'box' });
  const hubLineIsCut = isAway(state.outage);
  const box = await chain.startEdge({
    branch,
    enrolmentCode,
    env: EDGE_RHYTHM,
    withTillLine: withOutage,
    hubLineIsCut,
  });
  if (isNew) {
    const { deviceToken } = await TillClient.enrol(box.url, deviceCode, `Till ${REPLAY_TILL}`, till.signal);
    keep({ deviceToken });
  }
  return box;
}

function outageOf(
  { baskets, position, till: { clock } }: StoreJob,
  state: StoreState,
  box: EdgeBox,
  till: TillClient,
  keep: (more: Partial<StoreState>) => void,
): Outage {
  const plan = planOutage(baskets.length, position);
  const now = () => new Date(clock.now()).toISOString();
  const record = state.outage ?? { ...NO_OUTAGE_YET, retriedIds: [] };
  return new Outage({ plan, box, till, now, keep: (outage) => keep({ outage }) }, record);
}

function unlessThere(error: unknown): void {
  if (!(error instanceof Refused) || error.code !== 'already-exists') throw error;
}

/** Until the hub has everything the edge has. The edge pushes by itself, after an outage within its backoff. */
async function untilAcknowledged(till: TillClient, branch: string, signal: AbortSignal): Promise<SyncStatus> {
  for (let polls = 1; ; polls += 1) {
    const status = await till.syncStatus();
    if (status.queue === 0 && status.appliedSeq === status.lastSeq) return status;
    if (polls * ACKNOWLEDGED_POLL_MS > ACKNOWLEDGED_MS_MAX) {
      throw new Error(
        `${branch}: ${status.queue} lines are still not acknowledged after ${ACKNOWLEDGED_MS_MAX / 1000} s`,
      );
    }
    await pause(ACKNOWLEDGED_POLL_MS, undefined, { signal });
  }
}

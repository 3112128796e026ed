import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { businessDate } from '@branchline/domain/business-date.js';
import type { BranchRow } from '../branches/branch.row.js';
import { branchesOf, placeOf } from '../branches/find-branch.js';
import type { Tx } from '../database/unit-of-work.js';
import { listFleet, type FleetItem } from '../fleet/list-fleet.js';
import { completenessOf, type Completeness } from '../reports/completeness.js';
import type { Contacts } from '../sync/contacts.js';

/** More than one page of a screen; the totals are of all. */
export const BRANCHES_SHOWN_MAX = 200;

/** `totalMinor`: null where no number of a double is exactly this sum. */
type HourOfDay = { hour: number; baskets: number; totalMinor: number | null };
/** What `GET /v1/fleet` tells: all null for who may not read it. */
type FromFleet = Pick<FleetItem, 'headHash' | 'lastContactAt' | 'missing' | 'provedTo' | 'lastVerification'> & {
  line: FleetItem['line'] | null;
  quarantined: number | null;
};
const UNTOLD: FromFleet = {
  line: null,
  headHash: null,
  lastContactAt: null,
  missing: null,
  quarantined: null,
  provedTo: null,
  lastVerification: null,
};

/** One branch on its own business date: what it sold as far as head office knows, and how far that is. */
export type BranchToday = FromFleet &
  Pick<Completeness, 'complete' | 'final' | 'knownTo'> & {
    branch: string;
    name: string;
    region: string;
    timeZone: string;
    currency: string;
    businessDate: string;
    /** The hour of the branch's clock in which its business date begins. */
    firstHour: number;
    baskets: number;
    /** Null: beyond what can be kept exactly. */
    totalMinor: number | null;
    /** By the clock of the branch; hours in which nothing was sold are left out. */
    hours: HourOfDay[];
    mayVerify: boolean;
  };

export type ChainToday = {
  asOf: string;
  tenant: string;
  /** Whether there is a `/v1/trial` to ask. */
  isTrial: boolean;
  branches: BranchToday[];
  /** Branches beyond those shown. */
  more: number;
  /** Of all branches, each on its own date; amounts of two currencies are never added. */
  totals: { currency: string; baskets: number; totalMinor: number | null }[];
};

type Parts = { contacts: Contacts; isTrial: boolean; nowMs: number };

/** The chain at a glance, light enough to be asked every second or two: rollups of one day and the newest line of each branch. */
export async function chainToday(
  tx: Tx,
  who: PrincipalOf<'person'>,
  { contacts, isTrial, nowMs }: Parts,
): Promise<ChainToday> {
  const all = await branchesOf(tx, who, 'report.read');
  const dated = all.map((branch) => ({
    branch,
    date: businessDate(nowMs, branch.timeZone, branch.cutOffMinutes),
  }));
  const shown = dated.slice(0, BRANCHES_SHOWN_MAX);
  const fleet = await listFleet(
    tx,
    shown.map(({ branch }) => branch),
    BRANCHES_SHOWN_MAX,
    { contacts, nowMs },
  );
  const fleetOf = new Map(fleet.items.map((item) => [item.branch, item]));
  const completenessOfBranch = await completenessByDate(tx, shown);
  const hours = await hoursOf(tx, shown);
  const { can } = abilityFor(who.grants);
  return {
    asOf: new Date(nowMs).toISOString(),
    tenant: (await tx.one<{ name: string }>('SELECT name FROM tenant')).name,
    isTrial,
    branches: shown.map(({ branch, date }) =>
      branchToday(branch, date, {
        fleet: present(fleetOf, branch.code),
        completeness: present(completenessOfBranch, branch.code),
        hours: hours.get(branch.id) ?? [],
        mayReadFleet: can('fleet.read', placeOf(branch)),
        mayVerify: can('fleet.verify', placeOf(branch)),
      }),
    ),
    more: dated.length - shown.length,
    totals: await totalsOf(tx, dated),
  };
}

type Dated = { branch: BranchRow; date: string };
type Found = {
  fleet: FleetItem;
  completeness: Completeness;
  hours: HourOfDay[];
  mayReadFleet: boolean;
  mayVerify: boolean;
};

function branchToday(branch: BranchRow, date: string, found: Found): BranchToday {
  const { fleet, completeness, hours, mayReadFleet, mayVerify } = found;
  const { complete, final, knownTo } = completeness;
  const { code, name, region, timeZone, currency } = branch;
  const { line, headHash, lastContactAt, missing, quarantined, provedTo, lastVerification } = fleet;
  return {
    branch: code,
    name,
    region,
    timeZone,
    currency,
    businessDate: date,
    firstHour: Math.floor(branch.cutOffMinutes / 60),
    baskets: hours.reduce((sum, { baskets }) => sum + baskets, 0),
    totalMinor: exactSum(hours.map(({ totalMinor }) => totalMinor)),
    hours,
    complete,
    final,
    knownTo,
    ...(mayReadFleet ? { line, headHash, lastContactAt, missing, quarantined, provedTo, lastVerification } : UNTOLD),
    mayVerify,
  };
}

/** A sum of doubles that leaves the safe integers cannot come back into them unseen: it is unknown from then on. */
function exactSum(minors: readonly (number | null)[]): number | null {
  return minors.reduce<number | null>((sum, minor) => {
    const next = sum === null || minor === null ? null : sum + minor;
    return Number.isSafeInteger(next) ? next : null;
  }, 0);
}

function present<T>(map: ReadonlyMap<string, T>, code: string): T {
  const found = map.get(code);
  if (found === undefined) throw new Error(`branch ${code} was read and then not found in one snapshot`);
  return found;
}

/** Branches of one chain are on two business dates at most hours of the day, on three at the most. */
async function completenessByDate(tx: Tx, dated: readonly Dated[]): Promise<Map<string, Completeness>> {
  const found = new Map<string, Completeness>();
  for (const date of new Set(dated.map((each) => each.date))) {
    const ids = dated.filter((each) => each.date === date).map(({ branch }) => branch.id);
    for (const item of await completenessOf(tx, ids, { from: date, to: date })) found.set(item.branch, item);
  }
  return found;
}

async function hoursOf(tx: Tx, dated: readonly Dated[]): Promise<Map<string, HourOfDay[]>> {
  const rows = await tx.query<HourOfDay & { branchId: string }>(HOURS, idsAndDates(dated));
  const found = new Map<string, HourOfDay[]>();
  for (const { branchId, ...hour } of rows) {
    const hours = found.get(branchId);
    if (hours) hours.push(hour);
    else found.set(branchId, [hour]);
  }
  return found;
}

async function totalsOf(tx: Tx, dated: readonly Dated[]): Promise<ChainToday['totals']> {
  return tx.query(TOTALS, idsAndDates(dated));
}

function idsAndDates(dated: readonly Dated[]): [string[], string[]] {
  return [dated.map(({ branch }) => branch.id), dated.map(({ date }) => date)];
}

/** One branch whose figures no double can keep is not to shut the page for all the others. */
const exact = (sum: string): string =>
  `CASE WHEN abs(${sum}) <= ${Number.MAX_SAFE_INTEGER} THEN (${sum})::bigint END AS "totalMinor"`;

const TODAY = `FROM unnest($1::uuid[], $2::date[]) AS today (branch_id, business_date)
  JOIN sales_by_hour r ON r.branch_id = today.branch_id AND r.business_date = today.business_date`;

/** A branch trades in one currency; on the day it is given another one, what was sold in the old one is in the totals. */
const HOURS = `
SELECT r.branch_id AS "branchId", r.hour, r.baskets, ${exact('r.total_minor')}
  ${TODAY} JOIN branch b ON b.id = r.branch_id AND b.currency = r.currency ORDER BY r.branch_id, r.hour`;

const TOTALS = `
SELECT r.currency, sum(r.baskets)::bigint AS baskets, ${exact('sum(r.total_minor)')}
  ${TODAY} GROUP BY r.currency ORDER BY r.currency`;

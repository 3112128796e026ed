/** What the hub answers, as far as the page reads it. The page is a client like any other: it shares no code with the server. */

/** `totalMinor`, here and below: null for a sum beyond what can be kept exactly. */
export type HourOfDay = { hour: number; baskets: number; totalMinor: number | null };

export type BranchToday = {
  branch: string;
  name: string;
  region: string;
  timeZone: string;
  currency: string;
  businessDate: string;
  /** The hour of the branch's clock in which its business date begins. */
  firstHour: number;
  line: 'heard' | 'silent' | 'never' | null;
  lastContactAt: string | null;
  baskets: number;
  totalMinor: number | null;
  hours: HourOfDay[];
  complete: boolean;
  final: boolean;
  knownTo: { seq: number; at: string } | null;
  headHash: string | null;
  missing: number | null;
  /** Null, and with it all that is of the fleet: who asked may not read it. */
  quarantined: number | null;
  provedTo: { seq: number; hash: string; at: string } | null;
  lastVerification: { at: string; outcome: 'equal' | 'differs'; seq: number } | null;
  mayVerify: boolean;
};

/** `GET /v1/today` */
export type ChainToday = {
  asOf: string;
  tenant: string;
  isTrial: boolean;
  branches: BranchToday[];
  more: number;
  totals: { currency: string; baskets: number; totalMinor: number | null }[];
};

/** `GET /v1/trial`: what a store of a trial knows itself. */
export type TrialBranch = {
  branch: string;
  line: 'up' | 'down';
  box: 'up' | 'down';
  tillBaskets: number;
  tillTotalMinor: number;
  currency: string;
  businessDate: string;
  queue: number | null;
  headSeq: number | null;
  headHash: string | null;
  mayAct: boolean;
};
export type Trial = { branches: TrialBranch[] };

/** `POST /v1/fleet/:branch/verify` */
export type Verification = {
  branch: string;
  at: string;
  outcome: 'equal' | 'differs';
  streams: { lines: number; headSeq: number; headHash: string; signedByBox: boolean }[];
  days: { businessDate: string; equal: boolean }[];
  differences: { what: string; detail: string }[];
};

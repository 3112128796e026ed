import type { Claim } from './named-tests.js';

const PROOF = 'edge/test/proof.spec.ts';
const WORK_LISTS = 'edge/test/work-lists-with-a-real-hub.spec.ts';

/** Row 2: with a real edge and a real hub on PostgreSQL, what was done to either is noticed and named. */
export const VERIFY_NAMES: readonly Claim[] = [
  { claim: 'a fork', file: PROOF, title: /verify notices and names a fork/ },
  { claim: 'a flipped bit in a row of the edge', file: PROOF, title: /at the edge .*a flipped bit in a row/ },
  { claim: 'a flipped bit in a row of the hub', file: PROOF, title: /at the hub .*a flipped bit in a row/ },
  { claim: 'rows of the feed flipped, extra, missing', file: PROOF, title: /flipped bits, extra and missing rows/ },
  {
    claim: 'a doubled and a missing row at the edge',
    file: PROOF,
    title: /at the edge .*a doubled row and a missing row/,
  },
  {
    claim: 'a doubled and a missing row at the hub',
    file: PROOF,
    title: /at the hub .*a missing row and a doubled row/,
  },
  { claim: 'a tampered archive', file: PROOF, title: /a tampered archive/ },
  { claim: 'a tampered journal', file: PROOF, title: /a tampered journal/ },
  { claim: 'a hub with another history', file: PROOF, title: /lying hub .*another history/ },
  { claim: 'a hub whose sums lie', file: PROOF, title: /lying hub .*sums of a feed/ },
  { claim: 'what holds is not accused', file: PROOF, title: /hold the same .*says so at both ends/ },
];

/** Row 3: over the API at both ends, the edge restarted in between. */
export const WORK_LISTS_LIVE: readonly Claim[] = [
  {
    claim: 'quarantine, with its dependents, through a restart',
    file: WORK_LISTS,
    title: /is seen at both ends, also after a restart/,
  },
  { claim: 'duplicate: keep_hub', file: WORK_LISTS, title: /duplicate: keep_hub/ },
  { claim: 'duplicate: keep_branch', file: WORK_LISTS, title: /duplicate: keep_branch/ },
  { claim: 'duplicate: merge, decided while the store was off', file: WORK_LISTS, title: /duplicate: merge/ },
  { claim: 'data_mismatch: keep_hub', file: WORK_LISTS, title: /data_mismatch: keep_hub, the first/ },
  { claim: 'data_mismatch: keep_branch', file: WORK_LISTS, title: /data_mismatch: keep_branch, the first/ },
  { claim: 'constraint_violation: keep_hub', file: WORK_LISTS, title: /constraint_violation: keep_hub/ },
  { claim: 'who decided what is in the audit', file: WORK_LISTS, title: /leaves who decided what in the audit/ },
  { claim: 'a rebuild makes the same books', file: WORK_LISTS, title: /makes the same books again/ },
];

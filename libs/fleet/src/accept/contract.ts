import { benchesMeetTheirGoals } from './bench-goals.js';
import { VERIFY_NAMES, WORK_LISTS_LIVE } from './contract-claims.js';
import { disastersLeaveAllWhole } from './disasters.js';
import { namedTestsPass } from './named-tests.js';
import type { Row } from './row.js';

/** What the issue *contract* is shown by. */
export const CONTRACT: readonly Row[] = [
  { what: 'every disaster twenty times on real processes: A to F hold', run: disastersLeaveAllWhole },
  {
    what: 'fork, flipped bit, doubled and missing row, tampered archive, lying hub: each noticed and named',
    run: (context) => namedTestsPass(VERIFY_NAMES, context),
  },
  {
    what: 'quarantine and conflicts through their whole life, the edge restarted in between',
    run: (context) => namedTestsPass(WORK_LISTS_LIVE, context),
  },
  {
    what: 'B-5, B-7, B-9, and B-4 against its peers',
    run: (context) => benchesMeetTheirGoals(['backlog', 'feed', 'new-box', 'peers'], context),
  },
  { what: '100,000 hostile pushes harm nobody else', run: (context) => benchesMeetTheirGoals(['hostile'], context) },
];

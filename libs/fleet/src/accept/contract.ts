import { disastersLeaveAllWhole } from './disasters.js';
import { benchesMeetTheirGoals } from './bench-goals.js';
import { notRun, type Row } from './row.js';

/** What the issue *contract* is shown by. */
export const CONTRACT: readonly Row[] = [
  { what: 'every disaster twenty times on real processes: A to F hold', run: disastersLeaveAllWhole },
  { what: 'fork, flipped bit, doubled and missing row, tampered archive, lying hub: named', run: notYet },
  { what: 'quarantine and conflicts through their whole life', run: notYet },
  { what: 'B-5, B-7, B-9, and B-4 against its peers', run: notYet },
  { what: '100,000 hostile pushes harm nobody else', run: (context) => benchesMeetTheirGoals(['hostile'], context) },
];

async function notYet(): Promise<ReturnType<typeof notRun>> {
  return notRun('there is nothing to run yet');
}

import { SPINE_MUTANTS } from '../mutants/spine-mutants.js';
import { freshCloneIsGreen } from './fresh-clone.js';
import { namedTestsPass } from './named-tests.js';
import { plantedBugsAreCaught } from './planted-bugs.js';
import { replayEqualsTheExpected } from './replay-outage.js';
import type { Row } from './row.js';
import { SPINE_CLAIMS } from './spine-claims.js';
import { startTradesAndGoesOn } from './start-trades.js';

/** What the issue *spine* is shown by. */
export const SPINE: readonly Row[] = [
  { what: 'a fresh clone: npm ci, npm test green in under 10 minutes', run: freshCloneIsGreen },
  { what: 'replay of 8 stores with an outage: equal to the cent', run: replayEqualsTheExpected },
  { what: 'the tests it names', run: (context) => namedTestsPass(SPINE_CLAIMS, context) },
  { what: 'planted bugs', run: (context) => plantedBugsAreCaught(SPINE_MUTANTS, context) },
  { what: 'npm start trades, leaves nothing, goes on', run: startTradesAndGoesOn },
];

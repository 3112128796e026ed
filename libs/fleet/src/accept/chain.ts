import { benchesMeetTheirGoals } from './bench-goals.js';
import { freshStartIsLookedAt } from './fresh-start.js';
import { replayOfAllStoresEqualsTheExpected } from './replay-all.js';
import type { Row } from './row.js';
import { startSurvivesKills } from './start-kills.js';

/** What the issue *chain* is shown by. */
export const CHAIN: readonly Row[] = [
  { what: 'a fresh clone, started and looked at in a browser', run: freshStartIsLookedAt },
  { what: 'replay of all 227 stores with an outage: equal to the cent', run: replayOfAllStoresEqualsTheExpected },
  { what: 'B-1, B-3 and B-10', run: (context) => benchesMeetTheirGoals(['edge', 'ingest', 'footprint'], context) },
  { what: 'npm start killed twenty times: whole each time', run: startSurvivesKills },
];

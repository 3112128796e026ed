import { backlogBench } from './backlog/backlog-bench.js';
import type { Bench } from './bench.js';
import { edgeBench } from './edge/edge-bench.js';
import { footprintBench } from './edge/footprint-bench.js';
import { feedBench } from './feed/feed-bench.js';
import { newBoxBench } from './feed/new-box-bench.js';
import { hostileBench } from './hostile/hostile-bench.js';
import { ingestBench } from './ingest/ingest-bench.js';
import { peersBench } from './peers/peers-bench.js';

/** Every bench there is, by the name that `npm run bench` takes. */
export const BENCHES: ReadonlyMap<string, Bench> = new Map([
  ['edge', edgeBench],
  ['feed', feedBench],
  ['new-box', newBoxBench],
  ['ingest', ingestBench],
  ['footprint', footprintBench],
  ['hostile', hostileBench],
  ['backlog', backlogBench],
  ['peers', peersBench],
]);

/**
 * An edge that dies at a named point: opens the store of a folder, lets its real writer write (a sale, or what a replicator
 * brings and settles with a hub), and kills itself with SIGKILL in the nth write of a name, where it is told. Runs what was
 * built, in a process of its own; see edge-that-dies.ts.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SchedulerRegistry } from '@nestjs/schedule';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { applyFetched } from '../../dist/apply-fetched.js';
import { APPLIERS } from '../../dist/appliers.js';
import { FEED_ROWS } from '../../dist/feed-appliers.js';
import { moveReference } from '../../dist/move-reference.js';
import { Replicator } from '../../dist/replicator/replicator.js';
import { completeSale } from '../../dist/selling/complete-sale.js';
import { loadBox } from '../../dist/store/box.js';
import { Store } from '../../dist/store/store.js';

/** Nobody waits for one that lives on: it passed the point by. */
const LIFE_MS_MAX = 20_000;

const [folder, said] = process.argv.slice(2);
const { point, sale, by, hubUrl } = JSON.parse(said);
const die = () => process.kill(process.pid, 'SIGKILL');

const store = await Store.open({
  config: { databaseFile: join(folder, 'edge.db'), witnessFile: join(folder, 'witness') },
  ...{ box: loadBox(folder), appliers: APPLIERS, moveReference, applyFetched, clock: systemClock, newId: () => v7() },
  alarm: (message) => console.error(message),
  onFatal: (error) => console.error(error),
});

/** Statements of the write since it began; null: it has not, or it is over. */
let statements = null;
let begun = 0;
const begins = (name) => {
  if (name === point.write && (begun += 1) === point.nth) statements = 0;
};
const within = (write, part) => ({
  ...write,
  [part]: (...given) => {
    begins(write.name);
    return write[part](...given);
  },
});

const { writer, witness } = store;
for (const [method, part] of Object.entries({ execute: 'decide', write: 'run', background: 'slice' })) {
  const asked = writer[method].bind(writer);
  writer[method] = (write, ...rest) => asked(within(write, part), ...rest);
}

const { connection } = writer.parts;
const run = connection.run.bind(connection);
connection.run = (sql, ...values) => {
  if (statements === null || sql.startsWith('BEGIN')) return run(sql, ...values);
  if (sql === 'COMMIT') {
    if (point.phase === 'written, not committed') die();
    const committed = run(sql);
    if (point.phase === 'committed, not witnessed') die();
    return committed;
  }
  const changed = run(sql, ...values);
  if (point.phase === 'half written' && (statements += 1) === 2) die();
  return changed;
};
const writeWitness = witness.write.bind(witness);
witness.write = (state) => {
  writeWitness(state);
  if (statements !== null && point.phase === 'witnessed, not told') die();
};

if (sale === undefined) {
  const config = { hubUrl, pollMs: 100, pushLines: 10, requestTimeoutMs: 2_000, retryMsMin: 10, retryMsMax: 40 };
  new Replicator({
    ...{ store, config, kinds: FEED_ROWS, version: '0.0.0', newId: () => v7(), clock: systemClock },
    ...{ chance: () => 0.5, timers: new SchedulerRegistry(), logger: console },
  }).start();
  await pause(LIFE_MS_MAX);
} else {
  await writer.execute(completeSale, sale, by);
  console.log('answered');
}
process.exit(1);

/**
 * An edge that dies at a named point: opens the store of a folder, runs one sale through the real writer, and kills
 * itself with SIGKILL where it is told. Runs what was built, in a process of its own; see kill-points.spec.ts.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { APPLIERS } from '../../dist/appliers.js';
import { moveReference } from '../../dist/move-reference.js';
import { completeSale } from '../../dist/selling/complete-sale.js';
import { loadBox } from '../../dist/store/box.js';
import { Store } from '../../dist/store/store.js';

const [folder, point, proposedText] = process.argv.slice(2);
const die = () => process.kill(process.pid, 'SIGKILL');

const appliers = {
  ...APPLIERS,
  sale: (tx, line, place) => {
    APPLIERS.sale(tx, line, place);
    if (point === 'rows written, not committed') die();
  },
};

const store = await Store.open({
  config: { databaseFile: join(folder, 'edge.db'), witnessFile: join(folder, 'witness') },
  box: loadBox(folder),
  appliers,
  moveReference,
  clock: systemClock,
  newId: () => v7(),
  alarm: (message) => console.error(message),
  onFatal: (error) => console.error(error),
});

const writeWitness = store.witness.write.bind(store.witness);
store.witness.write = (state) => {
  if (point === 'committed, not witnessed') die();
  writeWitness(state);
  if (point === 'witnessed, not answered') die();
};

const { sale, by } = JSON.parse(proposedText);
await store.writer.execute(completeSale, sale, by);
console.log('answered');
process.exit(1);

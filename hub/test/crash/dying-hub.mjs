/**
 * A hub that dies at a named point of taking a push: what was built, in a process of its own, on the database and the keys
 * of the environment. See kill-points.spec.ts.
 */
import 'reflect-metadata';
import { systemClock } from '@branchline/domain/clock.js';
import { readConfig } from '../../dist/config.js';
import { Database } from '../../dist/database/unit-of-work.js';
import { startHub } from '../../dist/start-hub.js';

const [point] = process.argv.slice(2);
const die = () => process.kill(process.pid, 'SIGKILL');

const { transaction } = Database.prototype;
Database.prototype.transaction = async function (tenantId, work, options) {
  let isPush = false;
  const result = await transaction.call(
    this,
    tenantId,
    async (tx) => {
      const outcome = await work(tx);
      isPush = outcome?.outcome === 'applied';
      if (isPush && point === 'ingested, not committed') die();
      return outcome;
    },
    options,
  );
  if (isPush && point === 'committed, not acknowledged') die();
  return result;
};

const hub = await startHub(readConfig(process.env), systemClock);
process.stdout.write(`${hub.url}\n`);

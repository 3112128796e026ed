import './node-version.js';
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@branchline/domain/clock.js';
import { EXIT, runMain } from '@branchline/http/exit.js';
import { Command } from 'commander';
import { v7 as newId } from 'uuid';
import { type Display, LiveTable, plainLines } from '../demo/display.js';
import { runDemo } from '../demo/run-demo.js';
import { abortedBySignals, Interrupted, parseOrExit, wholeNumber } from './command-line.js';

interface Flags {
  fresh: boolean;
  data: string;
  edges?: number;
  portBase: number;
  pace: number;
}

const DATA_DEFAULT = fileURLToPath(new URL('../../../../.branchline', import.meta.url));
const PORT_BASE_DEFAULT = 8_400;
const EDGES_MAX = 32;
const PACE_MAX = 50;
const PIN_DIGITS = 6;

runMain('start', async () => {
  const command = new Command('npm start --')
    .description(
      'Runs a chain on this machine: PostgreSQL, the hub, edges in different regions, and customers in all of them.\n' +
        'It goes on where it was; Ctrl-C stops everything and keeps the data.\n' +
        'On a terminal a live table (NO_COLOR: without colours), otherwise plain lines and READY when every store trades.\n' +
        'PostgreSQL is embedded, or on the server of DATABASE_URL a database of its own.\n' +
        'Exit code: 0 stopped by hand, 1 failed, 2 bad input, 3 environment.',
    )
    .option('--fresh', 'forget all data and begin anew', false)
    .option('--data <dir>', 'where the data lies', DATA_DEFAULT)
    .option('--edges <n>', 'how many stores (default: 3, or as many as there are)', wholeNumber(1, EDGES_MAX))
    .option('--pace <n>', 'customers come so many times as often', wholeNumber(1, PACE_MAX), 1)
    .option('--port-base <p>', 'port of the hub; the stores follow; 0: any', wholeNumber(0, 65_000), PORT_BASE_DEFAULT);
  parseOrExit(command, process.argv);
  const { fresh, data, edges, portBase, pace } = command.opts<Flags>();
  try {
    await runDemo({
      dataDir: resolve(data),
      fresh,
      edges,
      portBase,
      pace,
      databaseUrl: process.env['DATABASE_URL'] || undefined,
      clock: systemClock,
      chance: Math.random,
      newId,
      newPin: () => String(randomInt(0, 10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0'),
      signal: abortedBySignals(),
      display: displayFor(process.stdout, process.env),
    });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
  return EXIT.well;
});

function displayFor(output: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Display {
  const isPlain = !output.isTTY || env['TERM'] === 'dumb';
  if (isPlain) return plainLines((text) => void output.write(text));
  return new LiveTable(output, !env['NO_COLOR'], systemClock);
}

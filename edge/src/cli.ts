import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BadInput, EnvironmentFailure, EXIT, runMain } from '@branchline/http/exit.js';
import { Command, CommanderError } from 'commander';
import { APPLIERS } from './appliers.js';
import { moveReference } from './move-reference.js';
import { openLocked, lockFolder } from './store/database.js';
import { examine } from './store/doctor.js';
import { backUp, rebuildInPlace, restore } from './store/keep.js';
import { Witness } from './store/witness.js';

type Place = { data: string; witness: string | undefined };

/** `npm run edge -- doctor | backup | restore | rebuild`: what an operator does to an edge's file; all but `backup` want it stopped. */
runMain('edge', async () => {
  let exitCode: number = EXIT.well;
  const program = new Command('edge').description("Looks after an edge's file.").exitOverride();
  const command = (usage: string, description: string): Command =>
    program
      .command(usage)
      .description(description)
      .requiredOption('--data <dir>', "the edge's data folder (EDGE_DATA)", process.env['EDGE_DATA'])
      .option('--witness <file>', 'the witness file (EDGE_WITNESS)', process.env['EDGE_WITNESS']);

  command('doctor', 'says whether the file is whole, its chains verify and its witness agrees; exit 1 when not').action(
    async (place: Place) => {
      exitCode = (await doctor(place)) ? EXIT.well : EXIT.failed;
    },
  );
  command('backup <file>', 'writes a whole, proved copy of the file; the edge may be selling').action(
    (file: string, place: Place) => {
      const { seq, bytes } = backUp(databaseOf(place), resolve(file));
      process.stdout.write(`backup=${resolve(file)} seq=${seq} bytes=${bytes}\n`);
    },
  );
  command('restore <file>', 'puts a backup in its place; the next line opens a new incarnation').action(
    async (file: string, place: Place) => {
      await restore(databaseOf(place), resolve(file));
      process.stdout.write(`restored=${databaseOf(place)}\n`);
    },
  );
  command('rebuild', 'makes the file anew from its own journal').action(async (place: Place) => {
    const { lines, incarnations } = await rebuildInPlace(databaseOf(place), { appliers: APPLIERS, moveReference });
    process.stdout.write(`lines=${lines} incarnations=${incarnations}\n`);
  });

  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.well : EXIT.badInput;
  }
  return exitCode;
});

async function doctor(place: Place): Promise<boolean> {
  const file = databaseOf(place);
  if (!existsSync(file)) throw new EnvironmentFailure(`there is no ${file}`);
  const unlock = lockFolder(resolve(place.data));
  try {
    const database = await openLocked(file);
    try {
      const findings = examine(database.reads, Witness.read(place.witness ?? join(resolve(place.data), 'witness')));
      for (const { what, well, detail } of findings)
        process.stdout.write(`${well ? 'ok  ' : 'FAIL'} ${what}: ${detail}\n`);
      return findings.every(({ well }) => well);
    } finally {
      await database.close();
    }
  } finally {
    unlock();
  }
}

function databaseOf(place: Place): string {
  if (place.data === '') throw new BadInput('--data is empty');
  return join(resolve(place.data), 'edge.db');
}

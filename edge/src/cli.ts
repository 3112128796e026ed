import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BadInput, EnvironmentFailure, EXIT, runMain } from '@branchline/http/exit.js';
import { Command, CommanderError } from 'commander';
import { applyFetched } from './apply-fetched.js';
import { APPLIERS } from './appliers.js';
import { Problem } from '@branchline/http/problem.js';
import { takeBundleFile, writeBundleFile } from './bundle-commands.js';
import { moveReference } from './move-reference.js';
import { openLocked, lockFolder } from './store/database.js';
import { examine } from './store/doctor.js';
import { backUp, rebuildInPlace, restore } from './store/keep.js';
import { Witness } from './store/witness.js';
import { examineRows } from './verify/examine-rows.js';
import { loadAuthority, setAuthorityAside } from './trust/trust-files.js';

type Place = { data: string; witness: string | undefined };

/**
 * `npm run edge -- doctor | backup | restore | rebuild | bundle out | bundle in | fingerprint | new-authority`: what an
 * operator does to an edge's files; all but `backup`, `bundle out` and `fingerprint` want it stopped.
 */
runMain('edge', async () => {
  let exitCode: number = EXIT.well;
  const program = new Command('edge').description("Looks after an edge's files.").exitOverride();
  const bundles = program
    .command('bundle')
    .description('carries what a store with no line and head office have to say');
  const command = (usage: string, description: string, under: Command = program): Command =>
    under
      .command(usage)
      .description(description)
      .requiredOption('--data <dir>', "the edge's data folder (EDGE_DATA)", process.env['EDGE_DATA'])
      .option('--witness <file>', 'the witness file (EDGE_WITNESS)', process.env['EDGE_WITNESS']);

  command(
    'doctor',
    'says whether the file is whole, its chains verify, its rows are what its journal says and its witness agrees; exit 1 when not',
  ).action(async (place: Place) => {
    exitCode = (await doctor(place)) ? EXIT.well : EXIT.failed;
  });
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
    const { lines, incarnations } = await rebuildInPlace(databaseOf(place), {
      appliers: APPLIERS,
      moveReference,
      applyFetched,
    });
    process.stdout.write(`lines=${lines} incarnations=${incarnations}\n`);
  });

  command(
    'fingerprint',
    "prints the fingerprint of the store's own certificate authority, to compare on a till",
  ).action((place: Place) => {
    process.stdout.write(`sha256=${fingerprint(place)}\n`);
  });
  command(
    'new-authority',
    'sets that authority aside: the next start makes another, which every till has to trust',
  ).action((place: Place) => {
    process.stdout.write(`aside=${newAuthority(place)}\n`);
  });

  bundleCommands(command, bundles, (code) => (exitCode = code));

  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof Problem) throw new BadInput(`${error.detail} (${error.code})`);
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.well : EXIT.badInput;
  }
  return exitCode;
});

type NewCommand = (usage: string, description: string, under?: Command) => Command;

function bundleCommands(command: NewCommand, bundles: Command, exit: (code: number) => void): void {
  command('out <file>', 'writes what head office does not have; the edge may be selling', bundles)
    .option('--whole', 'all there is, for a head office that has lost it')
    .action(async (file: string, place: Place & { whole?: true }) => {
      const { lines, damaged, isCut } = await writeBundleFile(bundlePlace(place), resolve(file), place.whole === true);
      for (const message of damaged) process.stderr.write(`not in it, nor anything behind it: ${message}\n`);
      if (isCut) process.stderr.write('it is full: take it to head office and bring its answer, then write the next\n');
      process.stdout.write(`bundle=${resolve(file)} lines=${lines}\n`);
      exit(damaged.length === 0 ? EXIT.well : EXIT.failed);
    });
  command(
    'in <file>',
    'takes in what head office has for this box; a running edge takes it at POST /v1/sync/bundle',
    bundles,
  ).action(async (file: string, place: Place) => {
    const { bundle, queue, behind, gaps } = await takeBundleFile(bundlePlace(place), resolve(file));
    process.stdout.write(`bundle=${bundle} queue=${queue} behind=${behind} gaps=${gaps.length}\n`);
    exit(gaps.length === 0 && behind === 0 ? EXIT.well : EXIT.failed);
  });
}

async function doctor(place: Place): Promise<boolean> {
  const file = databaseOf(place);
  if (!existsSync(file)) throw new EnvironmentFailure(`there is no ${file}`);
  const unlock = lockFolder(resolve(place.data));
  try {
    const database = await openLocked(file);
    try {
      const findings = [
        ...examine(database.reads, Witness.read(place.witness ?? join(resolve(place.data), 'witness'))),
        ...examineRows(database.reads, file, { appliers: APPLIERS, moveReference, applyFetched }),
      ];
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

/** Reads one file, so it is asked while the edge runs. */
function fingerprint(place: Place): string {
  const authority = loadAuthority(resolve(place.data));
  if (authority === null) throw new EnvironmentFailure(`${place.data} has no certificate authority of its own`);
  return new X509Certificate(authority.certificate).fingerprint256;
}

function newAuthority(place: Place): string {
  const unlock = lockFolder(resolve(place.data));
  try {
    const aside = setAuthorityAside(resolve(place.data));
    if (aside === null) throw new EnvironmentFailure(`${place.data} has no certificate authority of its own`);
    return aside;
  } finally {
    unlock();
  }
}

function bundlePlace({ data, witness }: Place): { dataDir: string; witnessFile: string } {
  if (data === '') throw new BadInput('--data is empty');
  const dataDir = resolve(data);
  return { dataDir, witnessFile: witness === undefined ? join(dataDir, 'witness') : resolve(witness) };
}

function databaseOf(place: Place): string {
  if (place.data === '') throw new BadInput('--data is empty');
  return join(resolve(place.data), 'edge.db');
}

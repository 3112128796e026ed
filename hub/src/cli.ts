import 'reflect-metadata';
import { Command, CommanderError } from 'commander';
import { systemClock } from '@branchline/domain/clock.js';
import { PasswordHasher } from '@branchline/access/password.js';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { code } from '@branchline/http/fields.js';
import { Problem } from '@branchline/http/problem.js';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { v7 } from 'uuid';
import { z } from 'zod';
import { type BackupParts, beginBackup, forgetBackup, listBackups, verifyBackup } from './backups/backups.js';
import { dumpAndVerify, OWN_PREFIX } from './backups/dump.js';
import { readDatabaseUrl, readSecretsDir } from './config.js';
import { openDataSource } from './database/database.js';
import { doctor } from './database/doctor.js';
import { renewEpoch } from './database/hub-epoch.js';
import { assertMigrated, migrate } from './database/migrate.js';
import { Database } from './database/unit-of-work.js';
import { BUNDLE_OUT_BYTES_MIN } from './bundles/make-bundle.js';
import { BUNDLE_BYTES_MAX } from '@branchline/replication/bundle.js';
import { takeBundleFile, writeBundleFile } from './bundles/bundle-commands.js';
import { currency } from './branches/places.js';
import { emailSchema } from './people/create-person.js';
import { createTenant } from './people/create-tenant.js';
import { HubSecrets } from './secrets.js';
import { rebuildBranches } from './verify/rebuild-branches.js';
import { verifyBranches } from './verify/verify-branches.js';

const CONNECTIONS_MAX = 4;

async function withDatabase<T>(
  work: (database: Database, ran: string[]) => Promise<T>,
  migrating: boolean,
): Promise<T> {
  const dataSource = await openDataSource(readDatabaseUrl(process.env), CONNECTIONS_MAX);
  const database = new Database(dataSource, Math.random);
  try {
    return await work(database, migrating ? await migrate(dataSource) : []);
  } finally {
    await database.close();
  }
}

const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

function runMigrate(): Promise<number> {
  return withDatabase(async (_database, ran) => {
    say({ migrated: ran });
    return EXIT.well;
  }, true);
}

function runDoctor(): Promise<number> {
  return withDatabase(async (database) => {
    const findings = await doctor(database);
    say(findings);
    return findings.wrong.length === 0 ? EXIT.well : EXIT.failed;
  }, false);
}

function runRenewEpoch(): Promise<number> {
  return withDatabase(async (database) => {
    await assertMigrated(database);
    say({ hubEpoch: await renewEpoch(database, v7) });
    return EXIT.well;
  }, false);
}

const initOptions = z.object({
  tenant: z.string().regex(/^[A-Z0-9]{1,12}$/, 'expected 1 to 12 of A-Z and 0-9'),
  name: z.string().min(1).max(100),
  adminEmail: emailSchema,
  currency,
});

async function runInit(options: Record<string, string>): Promise<number> {
  const { tenant, name, currency, adminEmail } = parsed(initOptions, options);
  return withDatabase(async (database) => {
    const parts = { database, clock: systemClock, newId: v7, randomBytes, passwords: new PasswordHasher() };
    try {
      say(await createTenant(parts, { code: tenant, name, currency, adminEmail }));
    } catch (error) {
      if (error instanceof Problem) throw new BadInput(error.detail);
      throw error;
    }
    return EXIT.well;
  }, true);
}

const branchOptions = z.object({ tenant: code.optional(), branch: code.optional() });

function runVerify(options: Record<string, string>): Promise<number> {
  const asked = parsed(branchOptions, options);
  const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const verified = await verifyBranches({ database, secrets, clock: systemClock, newId: v7 }, asked, say);
    say(verified);
    return verified.equal === verified.branches ? EXIT.well : EXIT.failed;
  }, false);
}

const uuid = z.uuid('expected the id of a backup');
const backupOptions = z
  .strictObject({
    keep: z
      .string()
      .regex(/^[1-9]\d{0,3}$/, 'expected how many')
      .default('7')
      .transform(Number),
    pgBin: z.string().min(1).optional(),
    list: z.boolean().optional(),
    begin: z
      .string()
      .min(1)
      .max(500)
      .refine(
        (what) => !what.startsWith(OWN_PREFIX),
        `what begins with ${OWN_PREFIX} is written by this command itself`,
      )
      .optional(),
    verify: uuid.optional(),
    restored: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'expected postgres://…')
      .optional(),
    forget: uuid.optional(),
  })
  .refine(
    ({ verify, restored }) => (verify === undefined) === (restored === undefined),
    '--verify and --restored go together',
  );

/** One of: a file; --begin; --verify with --restored; --forget; --list. */
function runBackup(file: string | undefined, options: Record<string, unknown>): Promise<number> {
  const { keep, pgBin, list, begin, verify, restored: restoredUrl, forget } = parsed(backupOptions, options);
  const asked = [file, begin, verify, forget, list].filter((each) => each !== undefined);
  if (asked.length !== 1) throw new BadInput('expected a file, or one of --begin, --verify, --forget, --list');
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const parts = { database, clock: systemClock, newId: v7 };
    if (list) for (const backup of await listBackups(parts)) say(backup);
    if (begin !== undefined) say({ id: await beginBackup(parts, begin) });
    if (forget !== undefined) {
      await forgetBackup(parts, forget);
      say({ forgotten: forget });
    }
    if (file !== undefined) {
      const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
      const databaseUrl = readDatabaseUrl(process.env);
      const dumped = await dumpAndVerify(parts, { databaseUrl, file: resolve(file), keep, pgBin, secrets });
      say(dumped);
      return dumped.verified ? EXIT.well : EXIT.failed;
    }
    if (verify !== undefined && restoredUrl !== undefined) return verifyRestored(parts, verify, restoredUrl);
    return EXIT.well;
  }, false);
}

async function verifyRestored(parts: BackupParts, id: string, url: string): Promise<number> {
  const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
  const restored = new Database(await openDataSource(url, CONNECTIONS_MAX), Math.random);
  try {
    await assertMigrated(restored);
    const wrong = await verifyBackup(parts, id, { restored, secrets });
    say({ id, verified: wrong.length === 0, wrong });
    return wrong.length === 0 ? EXIT.well : EXIT.failed;
  } finally {
    await restored.close();
  }
}

function runRebuildRollups(options: Record<string, string>): Promise<number> {
  const asked = parsed(branchOptions, options);
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const { personsMaster } = HubSecrets.openExisting(readSecretsDir(process.env));
    const parts = { database, personsMaster, nowMs: systemClock.now(), newId: v7, actor: 'command:rebuild-rollups' };
    const rebuilt = await rebuildBranches(parts, asked, say);
    say(rebuilt);
    return rebuilt.notRebuilt === 0 ? EXIT.well : EXIT.failed;
  }, false);
}

function parsed<S extends z.ZodType>(schema: S, options: Record<string, unknown>): z.output<S> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  throw new BadInput(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

type Run = (
  work: (options: Record<string, string>) => Promise<number>,
) => (options: Record<string, string>) => Promise<void>;

function bundleCommands(program: Command, run: Run): void {
  const bundles = program.command('bundle').description('carries what head office and stores with no line have to say');
  bundles
    .command('in <file>')
    .description('takes in what a box has written; exit 1 when a history of it does not follow what is held')
    .action((file: string) => run(() => runBundleIn(file))({}));
  bundles
    .command('out <file>')
    .description('writes what head office has for a box of the branch')
    .requiredOption('--tenant <code>', 'of the branch')
    .requiredOption('--branch <code>', 'of the box')
    .option('--box <id>', 'this one; else the one enrolled last')
    .option('--max-bytes <bytes>', 'of the file, at least 32 MiB; else 1 GiB')
    .action((file: string, options: Record<string, string>) => run(() => runBundleOut(file, options))({}));
}

const bundleOptions = z.object({
  ...{ tenant: code, branch: code, box: z.uuid().optional() },
  maxBytes: z.coerce.number().int().min(BUNDLE_OUT_BYTES_MIN).max(BUNDLE_BYTES_MAX).optional(),
});

function runBundleIn(file: string): Promise<number> {
  const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const taken = await takeBundleFile({ database, secrets }, file);
    say(taken);
    return taken.streams.every(({ refused }) => refused === null) ? EXIT.well : EXIT.failed;
  }, false);
}

function runBundleOut(file: string, options: Record<string, string>): Promise<number> {
  const { maxBytes: bytesMax, ...asked } = parsed(bundleOptions, options);
  const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const made = await writeBundleFile({ database, secrets }, file, { ...asked, bytesMax });
    say(made);
    if (made.isCut)
      process.stderr.write('it is full: what is missing comes with the next, after a bundle of the box\n');
    return EXIT.well;
  }, false);
}

runMain('hub', async () => {
  let exitCode: number = EXIT.well;
  const run =
    (work: (options: Record<string, string>) => Promise<number>) => async (options: Record<string, string>) => {
      exitCode = await work(options);
    };
  const program = new Command('hub').description('Head office: the commands beside the server').exitOverride();
  program.command('migrate').description('bring the database of DATABASE_URL to this version').action(run(runMigrate));
  program
    .command('doctor')
    .description('look at the database: version, roles, walls, feed; exit 1 when something is wrong')
    .action(run(runDoctor));
  program
    .command('renew-epoch')
    .description('after a restore that PostgreSQL did not notice: every store looks again at what it holds')
    .action(run(runRenewEpoch));
  program
    .command('verify')
    .description('prove what is stored of branches from their archived lines: a line for each; exit 1 when any differs')
    .option('--tenant <code>', 'of this tenant only')
    .option('--branch <code>', 'this branch only')
    .action(run(runVerify));
  program
    .command('backup')
    .argument('[file]', 'made by pg_dump, restored into a database of its own at once, proved and recorded')
    .description('what backups of the database hold, so that boxes know what they need not keep')
    .option('--keep <n>', 'of the files made so, as many verified ones; older ones are deleted', '7')
    .option('--pg-bin <dir>', 'where pg_dump and pg_restore are, of the version of the server')
    .option('--begin <what>', 'before a backup by a tool of your own: notes where every history stands, prints its id')
    .option('--verify <id>', 'proves it from where it was restored to; exit 1 when something is missing')
    .option('--restored <url>', 'that database: postgres://…')
    .option('--forget <id>', 'it is about to be deleted: nothing rests on it any more')
    .option('--list', 'those that are kept')
    .action(async (file: string | undefined, options: Record<string, unknown>) => {
      exitCode = await runBackup(file, options);
    });
  program
    .command('rebuild-rollups')
    .description('make rows and sums of branches anew from their archived lines, while pushes go on; a line for each')
    .option('--tenant <code>', 'of this tenant only')
    .option('--branch <code>', 'this branch only')
    .action(run(runRebuildRollups));
  bundleCommands(program, run);
  program
    .command('init')
    .description('make a tenant and its administrator; prints the password, once')
    .requiredOption('--tenant <code>', '1 to 12 of A-Z and 0-9')
    .requiredOption('--name <name>', 'of the retailer')
    .requiredOption('--admin-email <email>', 'of the administrator')
    .option('--currency <code>', 'ISO 4217', 'ZAR')
    .action(run(runInit));
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has said what is wrong; asked for help it has given it.
    return error.exitCode === 0 ? EXIT.well : EXIT.badInput;
  }
  return exitCode;
});

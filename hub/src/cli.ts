import 'reflect-metadata';
import { Command, CommanderError } from 'commander';
import { systemClock } from '@branchline/domain/clock.js';
import { PasswordHasher } from '@branchline/access/password.js';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { code } from '@branchline/http/fields.js';
import { Problem } from '@branchline/http/problem.js';
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { z } from 'zod';
import { readDatabaseUrl, readSecretsDir } from './config.js';
import { openDataSource } from './database/database.js';
import { doctor } from './database/doctor.js';
import { assertMigrated, migrate } from './database/migrate.js';
import { Database } from './database/unit-of-work.js';
import { currency } from './branches/places.js';
import { emailSchema } from './people/create-person.js';
import { createTenant } from './people/create-tenant.js';
import { HubSecrets } from './secrets.js';
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

const verifyOptions = z.object({ tenant: code.optional(), branch: code.optional() });

function runVerify(options: Record<string, string>): Promise<number> {
  const asked = parsed(verifyOptions, options);
  const secrets = HubSecrets.openExisting(readSecretsDir(process.env));
  return withDatabase(async (database) => {
    await assertMigrated(database);
    const verified = await verifyBranches({ database, secrets, clock: systemClock, newId: v7 }, asked, say);
    say(verified);
    return verified.equal === verified.branches ? EXIT.well : EXIT.failed;
  }, false);
}

function parsed<S extends z.ZodType>(schema: S, options: Record<string, string>): z.output<S> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  throw new BadInput(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
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
    .command('verify')
    .description('prove what is stored of branches from their archived lines: a line for each; exit 1 when any differs')
    .option('--tenant <code>', 'of this tenant only')
    .option('--branch <code>', 'this branch only')
    .action(run(runVerify));
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

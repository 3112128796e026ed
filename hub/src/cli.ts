import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { PasswordHasher } from '@branchline/access/password.js';
import { systemClock } from '@branchline/domain/clock.js';
import { BadInput, EnvironmentFailure, EXIT, runMain } from '@branchline/http/exit.js';
import { code, text } from '@branchline/http/fields.js';
import { Problem } from '@branchline/http/problem.js';
import { Command, CommanderError } from 'commander';
import { v7 } from 'uuid';
import { z } from 'zod';
import { openDataSource } from './database/database.js';
import { examine } from './database/doctor.js';
import { migrate } from './database/migrate.js';
import { Database } from './database/unit-of-work.js';
import { createTenant } from './people/create-tenant.js';

const COMMAND_CONNECTIONS_MAX = 2;

/** `npm run hub -- migrate | doctor | init`: what an operator does to head office's database (DATABASE_URL). */
runMain('hub', async () => {
  let exitCode: number = EXIT.well;
  const program = new Command('hub').description("Looks after head office's database (DATABASE_URL).").exitOverride();

  program
    .command('migrate')
    .description('brings the database to this release')
    .action(() =>
      withDatabase(async (_database, ran) => {
        process.stdout.write(`migrated=${ran.length}\n`);
      }),
    );
  program
    .command('doctor')
    .description('says whether the database is what this release expects; exit 1 when not')
    .action(() =>
      withDatabase(async (database) => {
        const findings = await examine(database);
        for (const { what, well, detail } of findings) {
          process.stdout.write(`${well ? 'ok  ' : 'FAIL'} ${what}: ${detail}\n`);
        }
        if (findings.some(({ well }) => !well)) exitCode = EXIT.failed;
      }),
    );
  program
    .command('init')
    .description('makes a tenant and its first administrator, whose password is printed once')
    .requiredOption('--tenant <code>', 'short code of the retailer, A-Z and 0-9')
    .requiredOption('--name <name>', 'name of the retailer')
    .requiredOption('--admin-email <email>', 'with which the administrator signs in')
    .option('--currency <code>', 'ISO 4217', 'USD')
    .action((options: unknown) => withDatabase((database) => init(database, options)));

  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.well : EXIT.badInput;
  }
  return exitCode;
});

const initOptions = z.object({
  tenant: code,
  name: text(100),
  adminEmail: z.email(),
  currency: z.string().regex(/^[A-Z]{3}$/, 'expected a currency code like EUR'),
});

async function init(database: Database, options: unknown): Promise<void> {
  const parsed = initOptions.safeParse(options);
  if (!parsed.success) {
    throw new BadInput(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  }
  const { tenant, name, adminEmail, currency } = parsed.data;
  const parts = { database, passwords: new PasswordHasher(), randomBytes, clock: systemClock, newId: () => v7() };
  try {
    const created = await createTenant(parts, { code: tenant, name, adminEmail, currency });
    process.stdout.write(`${JSON.stringify(created)}\n`);
  } catch (error) {
    if (error instanceof Problem) throw new BadInput(error.detail);
    throw error;
  }
}

async function withDatabase(work: (database: Database, ran: string[]) => Promise<void>): Promise<void> {
  const url = process.env['DATABASE_URL'];
  if (url === undefined || url === '') throw new EnvironmentFailure('DATABASE_URL is missing');
  const dataSource = await openDataSource(url, COMMAND_CONNECTIONS_MAX);
  const database = new Database(dataSource, Math.random);
  try {
    await work(database, await migrate(dataSource));
  } finally {
    await database.close();
  }
}

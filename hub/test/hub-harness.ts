import 'reflect-metadata';
import { PasswordHasher } from '@branchline/access/password.js';
import { systemClock, type Clock } from '@branchline/domain/clock.js';
import { createTestDatabase, prepareTemplate } from '@branchline/fleet/testing/database.js';
import { createLogger } from '@branchline/http/log.js';
import axios, { type AxiosInstance } from 'axios';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import type { HubConfig } from '../src/config.js';
import { openDataSource } from '../src/database/database.js';
import { migrate } from '../src/database/migrate.js';
import type { Database } from '../src/database/unit-of-work.js';
import { Sequencer } from '../src/feed/sequencer.js';
import { createTenant, type CreatedTenant } from '../src/people/create-tenant.js';
import { startHub, type RunningHub } from '../src/start-hub.js';

/** A tenant with its administrator signed in: `api` answers every status, so that specs look at it. */
export type Signed = CreatedTenant & {
  tenantId: string;
  accessToken: string;
  refreshToken: string;
  api: AxiosInstance;
};

export type HubHarness = {
  url: string;
  databaseUrl: string;
  /** The hub's keys: another hub process with them is the same hub. */
  secretsDir: string;
  database: Database;
  hub: RunningHub;
  /** Tenant `ACME`. */
  admin: Signed;
  /** Nobody. */
  anonymous: AxiosInstance;
  newTenant(code: string): Promise<Signed>;
  signIn(email: string, password: string): Promise<{ accessToken: string; refreshToken: string; api: AxiosInstance }>;
  /** When everything published so far is numbered. */
  numbered(): Promise<void>;
  close(): Promise<void>;
};

/** The whole hub in this process, on a port of its own and a fresh database. */
export async function startHubHarness(
  clock: Clock = systemClock,
  other: Pick<HubConfig, 'trial' | 'pushRestMs'> = {},
): Promise<HubHarness> {
  const template = await prepareTemplate('branchline_hub_migrated', migrateTemplate);
  const testDatabase = await createTestDatabase(template);
  const folder = mkdtempSync(join(tmpdir(), 'branchline-hub-'));
  const config = {
    databaseUrl: testDatabase.url,
    host: '127.0.0.1',
    port: 0,
    secretsDir: join(folder, 'secrets'),
    logLevel: 'fatal',
    ...other,
  };
  const hub = await startHub(config, clock, createLogger('hub', process.env['LOG_LEVEL'] ?? 'fatal'));
  const signIn = (email: string, password: string) => signInAt(hub.url, email, password);
  const newTenant = async (code: string): Promise<Signed> => {
    const parts = {
      database: hub.database,
      clock,
      newId: v7,
      randomBytes,
      passwords: new PasswordHasher(),
    };
    const input = { code, name: `Tenant ${code}`, currency: 'ZAR', adminEmail: `admin@${code.toLowerCase()}.example` };
    const created = await createTenant(parts, input);
    const [row] = await hub.database.asOwner<{ tenant_id: string }>(
      'SELECT tenant_id FROM branchline_person_for_sign_in($1)',
      [created.email],
    );
    if (!row) throw new Error('the tenant has no administrator');
    return { ...created, tenantId: row.tenant_id, ...(await signIn(created.email, created.password)) };
  };
  return {
    url: hub.url,
    databaseUrl: testDatabase.url,
    secretsDir: config.secretsDir,
    database: hub.database,
    hub,
    admin: await newTenant('ACME'),
    anonymous: apiAt(hub.url),
    newTenant,
    signIn,
    numbered: () => hub.app.get(Sequencer).settled(),
    close: async () => {
      await hub.close();
      await testDatabase.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function migrateTemplate(url: string): Promise<void> {
  const dataSource = await openDataSource(url, 4);
  await migrate(dataSource);
  await dataSource.destroy();
}

export function apiAt(url: string, accessToken?: string): AxiosInstance {
  return axios.create({
    baseURL: url,
    validateStatus: () => true,
    proxy: false,
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
  });
}

async function signInAt(
  url: string,
  email: string,
  password: string,
): Promise<{ accessToken: string; refreshToken: string; api: AxiosInstance }> {
  const answer = await apiAt(url).post('/v1/auth/login', { email, password });
  if (answer.status !== 200) throw new Error(`sign-in of ${email}: ${answer.status} ${JSON.stringify(answer.data)}`);
  const { accessToken, refreshToken } = answer.data as { accessToken: string; refreshToken: string };
  return { accessToken, refreshToken, api: apiAt(url, accessToken) };
}

/** @throws Error unless it was made: for what a spec needs, not for what it tests */
export async function create<T>(api: AxiosInstance, path: string, body: unknown): Promise<T> {
  const answer = await api.post<T>(path, body);
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.data)}`);
  return answer.data;
}

/** One region, price zone, assortment and tax class, which `createBranch` takes: `R1`, `Z1`, `A1`, `STD` (15 %). */
export async function createPlaces(api: AxiosInstance): Promise<void> {
  await create(api, '/v1/regions', { code: 'R1', name: 'Region 1' });
  await create(api, '/v1/price-zones', { code: 'Z1', name: 'Zone 1', timeZone: 'Africa/Johannesburg' });
  await create(api, '/v1/assortments', { code: 'A1', name: 'Assortment 1' });
  await create(api, '/v1/tax-classes', { code: 'STD', components: [{ code: 'VAT15', ratePpm: 150_000 }] });
}

export type CreatedBranch = { id: string; code: string };

export async function createBranch(
  api: AxiosInstance,
  code: string,
  other: Record<string, unknown> = {},
): Promise<CreatedBranch> {
  return create<CreatedBranch>(api, '/v1/branches', {
    code,
    name: `Branch ${code}`,
    region: 'R1',
    priceZone: 'Z1',
    assortment: 'A1',
    timeZone: 'Africa/Johannesburg',
    currency: 'ZAR',
    cutOff: '04:00',
    taxRounding: 'line',
    defaultTaxClass: 'STD',
    ...other,
  });
}

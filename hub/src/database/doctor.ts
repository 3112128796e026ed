import { SEQUENCER_LAG } from '../feed/sequencer-lag.js';
import type { Database } from './unit-of-work.js';

export type Findings = {
  postgres: string;
  user: string;
  migrations: number;
  tables: number;
  tenantsWithUnnumberedRecords: number;
  hubEpoch: string | null;
  /** When the newest verified backup that is kept was begun; null: there is none, and boxes keep what they sent. */
  backedUpAt: string | null;
  /** One line each; empty when all is well. */
  wrong: string[];
};

type Table = { name: string; has_tenant: boolean; walled: boolean; policies: number };

/** Tables of no tenant: which migrations ran, which life of the database this is, and which backups there are. */
const WITHOUT_TENANT = new Set(['migration', 'hub_state', 'hub_backup']);

/** Looks at what nobody looks at while it works. Reads only. */
export async function doctor(database: Database): Promise<Findings> {
  const [server] = await database.asOwner<{ postgres: string; user: string }>(
    `SELECT current_setting('server_version') AS postgres, current_user AS "user"`,
  );
  const tables = await database.asOwner<Table>(TABLES);
  const wrong = [...(await roleFindings(database)), ...tables.flatMap(wallFindings)];
  if (!tables.some(({ name }) => name === 'hub_state')) {
    wrong.push('the database is not migrated: run `migrate`');
    return {
      postgres: server?.postgres ?? '',
      user: server?.user ?? '',
      migrations: 0,
      tables: tables.length,
      tenantsWithUnnumberedRecords: 0,
      hubEpoch: null,
      backedUpAt: null,
      wrong,
    };
  }
  const [migrations] = await database.asOwner<{ count: number }>('SELECT count(*)::int AS count FROM migration');
  const [lag] = await database.asOwner<{ tenants: number }>(SEQUENCER_LAG);
  const [state] = await database.asOwner<{ hub_epoch: string }>('SELECT hub_epoch FROM hub_state');
  const [backup] = await database.asOwner<{ at: Date | null }>(
    'SELECT max(begun_at) AS at FROM hub_backup WHERE verified_at IS NOT NULL AND forgotten_at IS NULL',
  );
  return {
    postgres: server?.postgres ?? '',
    user: server?.user ?? '',
    migrations: migrations?.count ?? 0,
    tables: tables.length,
    tenantsWithUnnumberedRecords: lag?.tenants ?? 0,
    hubEpoch: state?.hub_epoch ?? null,
    backedUpAt: backup?.at?.toISOString() ?? null,
    wrong,
  };
}

const TABLES = `
SELECT c.relname AS name,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull) AS has_tenant,
       c.relrowsecurity AND c.relforcerowsecurity AS walled,
       (SELECT count(*)::int FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_wall') AS policies
  FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname`;

function wallFindings({ name, has_tenant, walled, policies }: Table): string[] {
  if (WITHOUT_TENANT.has(name)) return [];
  if (!has_tenant) return [`table ${name} has no tenant_id`];
  return walled && policies === 1 ? [] : [`table ${name} has no row-level security forced on it`];
}

async function roleFindings(database: Database): Promise<string[]> {
  const [role] = await database.asOwner<{ passes: boolean; member: boolean }>(
    `SELECT rolsuper OR rolbypassrls AS passes, pg_has_role(current_user, oid, 'MEMBER') AS member FROM pg_roles WHERE rolname = 'branchline_app'`,
  );
  if (!role) return ['the role branchline_app is missing'];
  const wrong: string[] = [];
  if (role.passes) wrong.push('the role branchline_app passes row-level security by');
  if (!role.member) wrong.push('this user may not act as branchline_app');
  return wrong;
}

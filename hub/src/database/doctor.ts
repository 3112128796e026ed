import { SEQUENCER_LAG } from '../feed/sequencer-lag.js';
import type { Database } from './unit-of-work.js';

export type Finding = { what: string; well: boolean; detail: string };

const VERSION = `SELECT current_setting('server_version') AS version`;

const ROLE = `
  SELECT count(*) FILTER (WHERE NOT rolsuper AND NOT rolbypassrls AND NOT rolcanlogin)::int AS fit
  FROM pg_roles WHERE rolname = 'branchline_app'`;

/** Tables with a tenant_id whose rows are not walled off, also from their owner. */
const UNWALLED = `
  SELECT c.relname AS name
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
  WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
  ORDER BY c.relname`;

/** Is this database what the release expects, and does it keep up. */
export async function examine(database: Database): Promise<Finding[]> {
  const [server] = await database.asOwner<{ version: string }>(VERSION);
  const [role] = await database.asOwner<{ fit: number }>(ROLE);
  const unwalled = await database.asOwner<{ name: string }>(UNWALLED);
  const [lag] = await database.asOwner<{ tenants: number }>(SEQUENCER_LAG);
  const waiting = lag?.tenants ?? 0;
  return [
    { what: 'server', well: true, detail: `PostgreSQL ${server?.version}` },
    {
      what: 'role',
      well: role?.fit === 1,
      detail: role?.fit === 1 ? 'branchline_app is bound by row-level security' : 'branchline_app may pass it by',
    },
    {
      what: 'row-level security',
      well: unwalled.length === 0,
      detail: unwalled.length === 0 ? 'on for every table of tenants' : `off for ${unwalled.map(({ name }) => name).join(', ')}`,
    },
    { what: 'feed', well: true, detail: `${waiting} tenants with records that are not numbered yet` },
  ];
}

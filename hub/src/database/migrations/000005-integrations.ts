import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Systems beside the tills, and the tokens by which they are known. */
export class Integrations implements MigrationInterface {
  readonly name = 'integrations-0000000000005';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [INTEGRATIONS, LOOK_UP]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const INTEGRATIONS = `
CREATE TABLE integration (
  tenant_id uuid NOT NULL REFERENCES tenant,
  id uuid PRIMARY KEY,
  name text NOT NULL,
  -- [{abilities, scope, id}]: regions by their code, branches by their id.
  grants jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  created_by uuid NOT NULL,
  ended_at timestamptz,
  CONSTRAINT integration_of_tenant UNIQUE (tenant_id, id)
);
-- One that has ended leaves its name to another.
CREATE UNIQUE INDEX integration_name_is_taken ON integration (tenant_id, name) WHERE ended_at IS NULL;
SELECT branchline_protect('integration', 'SELECT, INSERT, UPDATE');

CREATE TABLE integration_token (
  tenant_id uuid NOT NULL,
  id uuid PRIMARY KEY,
  -- SHA-256, hex: the token itself is known to its holder only.
  token_hash text NOT NULL CONSTRAINT integration_token_once UNIQUE,
  integration_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  -- To the minute: a system that asks ten times a second does not write ten times a second.
  last_used_at timestamptz,
  CONSTRAINT integration_token_of_integration FOREIGN KEY (tenant_id, integration_id) REFERENCES integration (tenant_id, id)
);
CREATE INDEX integration_token_by_integration ON integration_token (tenant_id, integration_id, created_at);
SELECT branchline_protect('integration_token', 'SELECT, INSERT, UPDATE');
`;

/** Asked before a tenant is known, as those of migration 1. */
const LOOK_UP = `
CREATE POLICY owner_looks_up ON integration_token FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION branchline_tenant_of_integration_token(sought text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT t.tenant_id FROM public.integration_token t WHERE t.token_hash = sought $$;

REVOKE ALL ON FUNCTION branchline_tenant_of_integration_token(text) FROM PUBLIC;
`;

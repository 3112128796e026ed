import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people have to know of: incidents, and who did what. */
export class IncidentsAndAudit implements MigrationInterface {
  readonly name = 'incidents-and-audit-0000000000011';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [INCIDENTS, AUDIT]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** Figures are over all tenants, which only the owner may look at; they bear no word of any of them. */
const INCIDENTS = `
CREATE TABLE incident (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  -- Null: of the whole chain.
  branch_id uuid,
  code text NOT NULL,
  -- What of the branch it is about: a line, a box, a history.
  key text NOT NULL,
  detail text NOT NULL,
  -- How often it was raised while it was open.
  count bigint NOT NULL,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  closed_at timestamptz,
  closed_by text,
  note text,
  CONSTRAINT pk_incident PRIMARY KEY (tenant_id, id),
  CONSTRAINT ck_incident_closed CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (note IS NULL))
);
CREATE UNIQUE INDEX incident_is_open_once ON incident (tenant_id, branch_id, code, key) NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX ix_incident_first_at ON incident (tenant_id, first_at, id);
SELECT branchline_protect('incident', 'SELECT, INSERT, UPDATE');
CREATE POLICY owner_looks_up ON incident FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION branchline_open_incidents() RETURNS TABLE (code text, open bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT i.code, count(*) FROM public.incident i WHERE i.closed_at IS NULL GROUP BY i.code $$;
REVOKE ALL ON FUNCTION branchline_open_incidents() FROM PUBLIC;
`;

/** `hash`: over the entry and the hash before it (`audit-chain.ts`). The head says how long the chain is: a cut tail is no gap. */
const AUDIT = `
CREATE TABLE audit_head (
  tenant_id uuid PRIMARY KEY,
  seq bigint NOT NULL,
  hash bytea NOT NULL
);
SELECT branchline_protect('audit_head', 'SELECT, INSERT, UPDATE');

CREATE TABLE audit_entry (
  tenant_id uuid NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  branch_id uuid,
  detail jsonb NOT NULL,
  hash bytea NOT NULL,
  CONSTRAINT pk_audit_entry PRIMARY KEY (tenant_id, seq)
);
CREATE INDEX ix_audit_entry_branch ON audit_entry (tenant_id, branch_id, seq);
CREATE INDEX ix_audit_entry_actor ON audit_entry (tenant_id, actor, seq);
SELECT branchline_protect('audit_entry', 'SELECT, INSERT');
`;

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A person's way from one signed-in program to a browser. Used once, short-lived, and gone with the sign-in that made it. */
export class SignInLinks implements MigrationInterface {
  readonly name = 'sign-in-links-0000000000003';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [LINKS, LOOK_UP]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const LINKS = `
CREATE TABLE sign_in_link (
  tenant_id uuid NOT NULL,
  -- SHA-256, hex: the code itself is known to its holder only.
  code_hash text PRIMARY KEY,
  -- The sign-in that made it: when that has ended, so has the link.
  family_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  CONSTRAINT sign_in_link_of_family FOREIGN KEY (tenant_id, family_id) REFERENCES refresh_family (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sign_in_link_by_family ON sign_in_link (tenant_id, family_id);
SELECT branchline_protect('sign_in_link', 'SELECT, INSERT, UPDATE, DELETE');
`;

/** Asked before a tenant is known, as those of migration 1. */
const LOOK_UP = `
CREATE POLICY owner_looks_up ON sign_in_link FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION branchline_tenant_of_sign_in_link(sought text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT l.tenant_id FROM public.sign_in_link l WHERE l.code_hash = sought $$;

REVOKE ALL ON FUNCTION branchline_tenant_of_sign_in_link(text) FROM PUBLIC;
`;

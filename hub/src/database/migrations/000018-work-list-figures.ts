import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How much waits for people in all, and since when: for the scraper and the person on call, over all tenants. */
export class WorkListFigures implements MigrationInterface {
  readonly name = 'work-list-figures-0000000000018';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(FIGURES);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** The indexes hold only what waits: figures cost what there is to do, not what was ever done. */
const FIGURES = `
CREATE INDEX ix_quarantine_oldest ON quarantine (at) WHERE state IN ('open', 'held');
CREATE INDEX ix_conflict_oldest ON conflict (at) WHERE state = 'open';
CREATE POLICY owner_looks_up ON quarantine FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_looks_up ON conflict FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION branchline_work_lists()
RETURNS TABLE (waiting bigint, oldest_waiting timestamptz, open bigint, oldest_open timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT q.waiting, q.oldest, c.open, c.oldest
   FROM (SELECT count(*) AS waiting, min(at) AS oldest FROM public.quarantine WHERE state IN ('open', 'held')) q,
     (SELECT count(*) AS open, min(at) AS oldest FROM public.conflict WHERE state = 'open') c $$;

-- Tenants in which something has waited since before.
CREATE FUNCTION branchline_tenants_waiting(since timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT tenant_id FROM public.quarantine WHERE state IN ('open', 'held') AND at < since
   UNION SELECT tenant_id FROM public.conflict WHERE state = 'open' AND at < since $$;

REVOKE ALL ON FUNCTION branchline_work_lists() FROM PUBLIC;
REVOKE ALL ON FUNCTION branchline_tenants_waiting(timestamptz) FROM PUBLIC;
`;

/** Tenants with records that the sequencer has not numbered yet. */
export const SEQUENCER_LAG = 'SELECT count(*)::int AS tenants FROM branchline_tenants_with_outbox()';

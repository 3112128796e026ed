import { newOpaqueToken } from '@branchline/access/opaque-token.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { constraintOf, type Database, type Tx } from '../database/unit-of-work.js';
import { keptGrants } from '../people/grants.js';
import { expiryMsOf, type CreatedIntegration, type IntegrationInput, type NewToken } from './integration-input.js';
import { TOKEN_PREFIX } from './integration-tokens.js';

export type IntegrationParts = {
  database: Database;
  clock: Clock;
  newId: NewId;
  randomBytes: (bytes: number) => Buffer;
};

/** With its first token. @throws Problem `already-exists`, `invalid-field` */
export async function createIntegration(
  parts: IntegrationParts,
  by: PrincipalOf<'person'>,
  input: IntegrationInput,
): Promise<CreatedIntegration> {
  const nowMs = parts.clock.now();
  const expiresAtMs = expiryMsOf('expiresAt', input.expiresAt, nowMs);
  const id = parts.newId();
  const { name, grants } = input;
  try {
    return await parts.database.transaction(by.tenantId, async (tx) => {
      await tx.execute(
        `INSERT INTO integration (tenant_id, id, name, grants, created_at, created_by) VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), $6)`,
        [tx.tenantId, id, name, JSON.stringify(await keptGrants(tx, grants)), nowMs, by.personId],
      );
      const token = await addToken(tx, parts, { integrationId: id, nowMs, expiresAtMs });
      const detail = { name, grants, token: token.id, expiresAt: token.expiresAt };
      const entry = { actor: actorOf(by), action: 'integration.create', subject: `integration:${id}` };
      await recordAudit(tx, { ...entry, branchId: null, detail }, { nowMs, newId: parts.newId });
      return { id, name, grants, token };
    });
  } catch (error) {
    if (constraintOf(error) === 'integration_name_is_taken')
      throw problem('already-exists', `There is an integration ${name}.`);
    throw error;
  }
}

/** 256 random bits, of which only the hash stays here. */
export async function addToken(
  tx: Tx,
  { newId, randomBytes }: IntegrationParts,
  { integrationId, nowMs, expiresAtMs }: { integrationId: string; nowMs: number; expiresAtMs: number },
): Promise<NewToken> {
  const id = newId();
  const { token, hash } = newOpaqueToken(TOKEN_PREFIX, randomBytes);
  await tx.execute(
    `INSERT INTO integration_token (tenant_id, id, token_hash, integration_id, created_at, expires_at)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($6::bigint / 1000.0))`,
    [tx.tenantId, id, hash, integrationId, nowMs, expiresAtMs],
  );
  return { id, token, expiresAt: new Date(expiresAtMs).toISOString() };
}

import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { grantShower } from '../people/grants.js';
import type { IntegrationGrant } from './integration-grants.js';
import type { IntegrationItem } from './integration-input.js';

type Row = { id: string; name: string; grants: IntegrationGrant[]; createdAt: Date; tokens: TokenRow[] };
type TokenRow = { id: string; createdAt: number; expiresAt: number; lastUsedAt: number | null };

/** Those that have not ended, by name, with the tokens that open anything. */
export async function listIntegrations(
  tx: Tx,
  { limit, after }: { limit: number; after?: string },
  nowMs: number,
): Promise<Page<IntegrationItem>> {
  const [afterName] = after === undefined ? [''] : decodeCursor(z.tuple([text(100)]), after);
  const rows = await tx.query<Row>(LIST, [afterName, limit + 1, nowMs]);
  const show = await grantShower(
    tx,
    rows.map(({ grants }) => grants),
  );
  return pageOf(
    rows,
    limit,
    ({ name }) => [name],
    ({ id, name, grants, createdAt, tokens }) => ({
      id,
      name,
      grants: show(grants),
      createdAt: createdAt.toISOString(),
      tokens: tokens.map((token) => ({
        id: token.id,
        createdAt: isoOf(token.createdAt),
        expiresAt: isoOf(token.expiresAt),
        lastUsedAt: token.lastUsedAt === null ? null : isoOf(token.lastUsedAt),
      })),
    }),
  );
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
const msOf = (column: string): string => `(extract(epoch FROM t.${column}) * 1000)::bigint`;

const LIST = `
SELECT i.id, i.name, i.grants, i.created_at AS "createdAt",
  (SELECT coalesce(json_agg(json_build_object('id', t.id, 'createdAt', ${msOf('created_at')}, 'expiresAt', ${msOf('expires_at')},
      'lastUsedAt', ${msOf('last_used_at')}) ORDER BY t.created_at DESC, t.id DESC), '[]')
    FROM integration_token t WHERE t.tenant_id = i.tenant_id AND t.integration_id = i.id AND t.revoked_at IS NULL
      AND t.expires_at > to_timestamp($3::bigint / 1000.0)) AS tokens
FROM integration i WHERE i.ended_at IS NULL AND i.name > $1 ORDER BY i.name LIMIT $2`;

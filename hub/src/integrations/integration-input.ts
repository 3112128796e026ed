import { instant, text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import { integrationGrant } from './integration-grants.js';

const YEAR_MS = 366 * 86_400_000;

export const integrationInput = z.strictObject({
  name: text(100),
  grants: z.array(integrationGrant).min(1).max(50),
  expiresAt: instant.meta({ description: 'of its first token: at most a year ahead' }),
});
export type IntegrationInput = z.infer<typeof integrationInput>;

export const rotationInput = z.strictObject({
  expiresAt: instant.meta({ description: 'of the new token: at most a year ahead' }),
  previousExpiresAt: instant
    .optional()
    .meta({ description: 'until when the token that is alive stays good; left out: until it is revoked or expires' }),
});
export type RotationInput = z.infer<typeof rotationInput>;

export const newTokenSchema = z.strictObject({
  id: z.uuid(),
  token: z.string().meta({ description: 'bls_…, told here and never again' }),
  expiresAt: instant,
});
export type NewToken = z.infer<typeof newTokenSchema>;

export const createdIntegration = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  grants: z.array(integrationGrant),
  token: newTokenSchema,
});
export type CreatedIntegration = z.infer<typeof createdIntegration>;

export const integrationItem = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  grants: z.array(integrationGrant),
  createdAt: instant,
  tokens: z
    .array(
      z.strictObject({
        id: z.uuid(),
        createdAt: instant,
        expiresAt: instant,
        lastUsedAt: instant.nullable().meta({ description: 'to the minute' }),
      }),
    )
    .meta({ description: 'not revoked and not expired, the newest first: two at most' }),
});
export type IntegrationItem = z.infer<typeof integrationItem>;

/** @throws Problem `invalid-field` unless it is to come and within a year */
export function expiryMsOf(field: string, at: string, nowMs: number): number {
  const ms = Date.parse(at);
  if (ms > nowMs && ms <= nowMs + YEAR_MS) return ms;
  const message = 'expected a time to come, at most a year ahead';
  throw problem('invalid-field', `${field}: ${message}`, { errors: [{ path: field, code: 'out-of-range', message }] });
}

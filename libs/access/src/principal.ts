import type { FastifyRequest } from 'fastify';
import type { Grant } from './roles.js';

/** Who is asking, once proved. People, operators, tills, boxes and integrations are five things and never open each other's doors. */
export type Person = {
  kind: 'person';
  personId: string;
  tenantId: string;
  email: string;
  sessionId: string;
  grants: readonly Grant[];
};
export type Operator = { kind: 'operator'; operator: string; deviceId: string; till: string; grants: readonly Grant[] };
export type Device = { kind: 'device'; deviceId: string; till: string };
export type Box = { kind: 'box'; tenantId: string; branchId: string; branchCode: string; boxId: string };

/** A system beside the tills: accounting, a web shop, BI. */
export type Integration = {
  kind: 'integration';
  integrationId: string;
  tenantId: string;
  name: string;
  grants: readonly Grant[];
};

export type Principal = Person | Operator | Device | Box | Integration;
export type PrincipalKind = Principal['kind'];
export type PrincipalOf<K extends PrincipalKind> = Extract<Principal, { kind: K }>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the access guard, by nothing else. */
    principal?: Principal;
  }
}

/**
 * Proves one kind of principal from a request, or throws a Problem: `unauthenticated` lets the guard try the next kind
 * that the route accepts, any other (`box-revoked`) is the answer.
 */
export type Authenticator = (request: FastifyRequest) => Promise<Principal>;
export type Authenticators = Readonly<Partial<Record<PrincipalKind, Authenticator>>>;

/** The token of `Authorization: Bearer …`. */
export function bearerToken(request: Pick<FastifyRequest, 'headers'>): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

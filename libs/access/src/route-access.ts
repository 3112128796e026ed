import { SetMetadata, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ROUTE_ACCESS, openRoute, type OpenRoute } from '@branchline/http/open-route.js';
import type { FastifyRequest } from 'fastify';
import type { AbilityName } from './abilities.js';
import type { PrincipalKind } from './principal.js';

/** Who may enter a route. An ability is asked of people and operators; a till or a box is let in by what it is. */
export type RestrictedRoute = { open: false; by: readonly PrincipalKind[]; ability?: AbilityName };
export type RouteAccess = OpenRoute | RestrictedRoute;

/** `@Allow({ by: 'person', ability: 'report.read' })`; `by` may be a list, tried in its order. */
export function Allow(rule: {
  by: PrincipalKind | readonly PrincipalKind[];
  ability?: AbilityName;
}): ClassDecorator & MethodDecorator {
  const by = typeof rule.by === 'string' ? [rule.by] : rule.by;
  if (by.length === 0) throw new Error('a route lets somebody in, or it is no route');
  return SetMetadata<string, RestrictedRoute>(ROUTE_ACCESS, { open: false, by, ability: rule.ability });
}

/** A route for everybody; the reason is part of the declaration. */
export const AllowAny: (reason: string) => ClassDecorator & MethodDecorator = openRoute;

/**
 * `@CurrentPrincipal() who: PrincipalOf<'person'>`, or with kinds, `@CurrentPrincipal('person')`, which asserts at the
 * request that the route's rule and the parameter's type say the same.
 */
export const CurrentPrincipal: (...kinds: PrincipalKind[]) => ParameterDecorator = (...kinds) =>
  principalParameter(kinds);

const principalParameter = createParamDecorator((kinds: PrincipalKind[], context: ExecutionContext) => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!principal) throw new Error('an open route has no principal');
  if (kinds.length > 0 && !kinds.includes(principal.kind)) {
    throw new Error(`the route lets in a ${principal.kind}, its handler takes ${kinds.join(' or ')}`);
  }
  return principal;
});

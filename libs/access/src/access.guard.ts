import {
  Inject,
  Injectable,
  type CanActivate,
  type ExecutionContext,
  type OnApplicationBootstrap,
  type Provider,
} from '@nestjs/common';
import { APP_GUARD, ModulesContainer, Reflector } from '@nestjs/core';
import { ROUTE_ACCESS } from '@branchline/http/open-route.js';
import { Problem, problem } from '@branchline/http/problem.js';
import type { FastifyRequest } from 'fastify';
import { abilityFor } from './ability.js';
import type { AbilityName } from './abilities.js';
import { assertDeclared } from './declared-routes.js';
import type { Authenticators, Principal, PrincipalKind } from './principal.js';
import type { RouteAccess } from './route-access.js';

/** Provide under this: how each kind of principal is proved here. */
export const AUTHENTICATORS = Symbol('authenticators');

/** Put into the root module's providers; `AUTHENTICATORS` must be visible there. */
export const accessGuardProvider: Provider = {
  provide: APP_GUARD,
  useFactory: makeGuard,
  inject: [AUTHENTICATORS, ModulesContainer],
};

function makeGuard(authenticators: Authenticators, modules: ModulesContainer): AccessGuard {
  return new AccessGuard(authenticators, modules);
}

/**
 * The one door. It says who is asking and whether such a one may ask this at all; whether for this branch is decided in
 * the use case, with `abilityFor`, where the branch is known. Not middleware: paths can be spelt in ways that miss it.
 */
@Injectable()
export class AccessGuard implements CanActivate, OnApplicationBootstrap {
  private readonly reflector = new Reflector();

  constructor(
    @Inject(AUTHENTICATORS) private readonly authenticators: Authenticators,
    private readonly modules: ModulesContainer,
  ) {}

  onApplicationBootstrap(): void {
    assertDeclared(this.modules);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.getAllAndOverride<RouteAccess | undefined>(ROUTE_ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!access) throw new Error(`${context.getClass().name}.${context.getHandler().name} does not say who may enter`);
    if (access.open) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = await this.authenticate(request, access.by);
    if (access.ability !== undefined) assertSomewhereAble(principal, access.ability);
    request.principal = principal;
    return true;
  }

  private async authenticate(request: FastifyRequest, kinds: readonly PrincipalKind[]): Promise<Principal> {
    for (const kind of kinds) {
      const prove = this.authenticators[kind];
      if (!prove) throw new Error(`a route lets in a ${kind}, but nothing here proves one`);
      const principal = await provedOrUndefined(prove(request));
      if (!principal) continue;
      if (principal.kind !== kind) throw new Error(`asked for a ${kind}, got a ${principal.kind}`);
      return principal;
    }
    throw problem('unauthenticated', undefined, { headers: { 'www-authenticate': 'Bearer' } });
  }
}

async function provedOrUndefined(proof: Promise<Principal>): Promise<Principal | undefined> {
  try {
    return await proof;
  } catch (error) {
    if (error instanceof Problem && error.code === 'unauthenticated') return undefined;
    throw error;
  }
}

function assertSomewhereAble(principal: Principal, ability: AbilityName): void {
  if (!('grants' in principal)) return;
  if (!abilityFor(principal.grants).can(ability)) throw problem('forbidden', `This needs ${ability}.`);
}

import type { INestApplicationContext, Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { ROUTE_ACCESS } from '@branchline/http/open-route.js';
import type { RouteAccess } from './route-access.js';

export type DeclaredRoute = { controller: string; handler: string; path: string; access: RouteAccess | undefined };

/** Every route of every controller in the container with what it declares; a handler's word goes before its class's. */
export function routesOf(modules: ModulesContainer): DeclaredRoute[] {
  const scanner = new MetadataScanner();
  const reflector = new Reflector();
  const routes: DeclaredRoute[] = [];
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const controller = metatype as Type;
      const prototype = controller.prototype as Record<string, unknown>;
      for (const name of scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name];
        if (typeof handler !== 'function' || Reflect.getMetadata(METHOD_METADATA, handler) === undefined) continue;
        const access = reflector.getAllAndOverride<RouteAccess | undefined>(ROUTE_ACCESS, [
          handler as Type,
          controller,
        ]);
        const path = [controller, handler].map((each) => String(Reflect.getMetadata(PATH_METADATA, each))).join(' ');
        routes.push({ controller: controller.name, handler: name, path, access });
      }
    }
  }
  return routes;
}

/** @throws Error naming every route that does not say who may enter; the guard asks this at boot too */
export function assertEveryRouteDeclared(app: INestApplicationContext): void {
  assertDeclared(app.get(ModulesContainer));
}

export function assertDeclared(modules: ModulesContainer): void {
  const undeclared = routesOf(modules).filter((route) => route.access === undefined);
  if (undeclared.length === 0) return;
  const names = undeclared.map(({ controller, handler, path }) => `${controller}.${handler} (${path})`);
  throw new Error(`routes without @Allow or @AllowAny: ${names.join(', ')}`);
}

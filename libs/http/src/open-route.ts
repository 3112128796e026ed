import { SetMetadata } from '@nestjs/common';

/** Under this key a route says who may enter; the guard of libs/access reads it. Here because health and metrics need it. */
export const ROUTE_ACCESS = 'branchline:route-access';

/** A route for everybody, and why that is right. */
export type OpenRoute = { open: true; reason: string };

export function openRoute(reason: string): ClassDecorator & MethodDecorator {
  if (!reason.trim()) throw new Error('an open route says why it is open');
  return SetMetadata<string, OpenRoute>(ROUTE_ACCESS, { open: true, reason });
}

type Swagger = Pick<typeof import('@nestjs/swagger'), 'ApiBearerAuth' | 'ApiExcludeController' | 'ApiTags'>;

/** The controllers declared since the document was last asked for: no more than the program has. */
const waiting: ((swagger: Swagger) => void)[] = [];

/**
 * What the OpenAPI document says of a controller beyond its routes and schemas: where it is listed, and whether all of its
 * routes ask for a bearer token. Swagger's own decorators would load Swagger with the controller; these wait for it.
 */
export function documented(tag: string, { bearer = false } = {}): ClassDecorator {
  return (controller) => {
    waiting.push(({ ApiTags, ApiBearerAuth }) => {
      ApiTags(tag)(controller);
      if (bearer) ApiBearerAuth()(controller);
    });
  };
}

/** For routes that are no part of the API. */
export function undocumented(): ClassDecorator {
  return (controller) => void waiting.push(({ ApiExcludeController }) => ApiExcludeController()(controller));
}

/** To be called by whoever makes the document, before. */
export function describeControllers(swagger: Swagger): void {
  for (const describe of waiting.splice(0)) describe(swagger);
}

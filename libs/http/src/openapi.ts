import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import * as swagger from '@nestjs/swagger';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { HttpAppOptions } from './app-options.js';
import { ClosingAdapter } from './closing-adapter.js';
import { describeControllers } from './documented.js';
import { ProblemFilter } from './problem-filter.js';

export type ServeRaw = (request: IncomingMessage, response: ServerResponse) => void;

@Module({})
class DocsModule {}

/**
 * The OpenAPI document of `app`, and the page that shows it, from here and from no other host. It is an application of its
 * own, without a port: a router that listens takes no more routes, and this one comes into being with the first request.
 */
export async function openDocs(app: NestFastifyApplication, options: HttpAppOptions): Promise<ServeRaw> {
  const { https, strictTransport = https !== undefined, logger, ...plain } = options;
  describeControllers(swagger);
  const docs = await NestFactory.create<NestFastifyApplication>(
    DocsModule,
    new ClosingAdapter({ ...plain, strictTransport }),
    { bodyParser: false, abortOnError: false, ...(logger && { logger }) },
  );
  docs.useGlobalFilters(new ProblemFilter(logger ?? new Logger('http')));
  const document = documentOf(app, options);
  swagger.SwaggerModule.setup('docs', docs, document, { jsonDocumentUrl: 'docs/json', raw: ['json'] });
  await docs.init();
  const fastify = docs.getHttpAdapter().getInstance();
  await fastify.ready();
  return (request, response) => fastify.routing(request, response);
}

function documentOf(app: NestFastifyApplication, { name, version }: HttpAppOptions): swagger.OpenAPIObject {
  const about = new swagger.DocumentBuilder().setTitle(name).setVersion(version).addBearerAuth().build();
  return swagger.SwaggerModule.createDocument(app, about, {
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType
        ? { schema: z.toJSONSchema(schema, { io: schemaType, target: 'openapi-3.0', unrepresentable: 'any' }) }
        : undefined,
  });
}

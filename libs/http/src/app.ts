import { Logger, type Type, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createSecureContext } from 'node:tls';
import { isNativeError } from 'node:util/types';
import type { HttpAppOptions } from './app-options.js';
import { ClosingAdapter } from './closing-adapter.js';
import { EnvironmentFailure } from './exit.js';
import type { ServeRaw } from './openapi.js';
import { ProblemFilter } from './problem-filter.js';
import { problem } from './problem.js';
import { SchemaPipe } from './schema.js';
import { parseStrictJson } from './strict-json.js';

export async function createHttpApp(
  module: Type | DynamicModule,
  options: HttpAppOptions,
): Promise<NestFastifyApplication> {
  if (options.https) assertUsable(options.https);
  const adapter = new ClosingAdapter(options);
  const logger = options.logger;
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    ...(logger && { logger }),
  });
  acceptBodies(app, options);
  app.useGlobalFilters(new ProblemFilter(logger ?? new Logger('http')));
  app.useGlobalPipes(new SchemaPipe());
  serveDocs(app, options);
  return app;
}

function assertUsable(https: { cert: string | Buffer; key: string | Buffer }): void {
  try {
    createSecureContext(https);
  } catch (error) {
    throw new EnvironmentFailure('the certificate and its key cannot be used together', { cause: error });
  }
}

/** @returns the port really bound, which matters for port 0 */
export async function listen(app: NestFastifyApplication, at: { host: string; port: number }): Promise<number> {
  try {
    await app.init();
    // Past `app.listen`, which also logs what it throws: a taken port is told in one line, by whoever ends the program.
    await app.getHttpAdapter().getInstance().listen(at);
    app.get(HttpAdapterHost).listening = true;
  } catch (error) {
    await app.close();
    throw environmentFailureOf(error, at) ?? error;
  }
  const address = app.getHttpServer().address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be used without more rights',
  EADDRNOTAVAIL: 'is not an address of this machine',
  ENOTFOUND: 'is not a known host',
};

function environmentFailureOf(error: unknown, at: { host: string; port: number }): EnvironmentFailure | undefined {
  if (!isNativeError(error) || !('code' in error)) return undefined;
  const reason = LISTEN_FAILURES[String(error.code)];
  return reason === undefined ? undefined : new EnvironmentFailure(`${at.host}:${at.port} ${reason}`, { cause: error });
}

/** JSON, and what the program names; anything else is 415, forms too: a foreign page can send those unasked. */
function acceptBodies(
  app: NestFastifyApplication,
  { bodyBytesMax, rawBodyBytesMax = {}, streamedBodies = [] }: HttpAppOptions,
): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeAllContentTypeParsers();
  const json = { parseAs: 'buffer' as const, bodyLimit: bodyBytesMax };
  fastify.addContentTypeParser<Buffer>('application/json', json, ({ headers }, bytes, done) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      const asIs = { 'accept-encoding': 'identity' };
      done(problem('unsupported-media-type', 'JSON is taken as it is, not compressed.', { headers: asIs }));
      return;
    }
    try {
      done(null, parseStrictJson(bytes));
    } catch (error) {
      done(error as Error);
    }
  });
  for (const [contentType, bodyLimit] of Object.entries(rawBodyBytesMax)) {
    const raw = { parseAs: 'buffer' as const, bodyLimit };
    fastify.addContentTypeParser<Buffer>(contentType, raw, (_request, bytes, done) => done(null, bytes));
  }
  for (const contentType of streamedBodies)
    fastify.addContentTypeParser(contentType, (_request, payload, done) => done(null, payload));
}

/**
 * `/docs` and `/docs/json`. What makes them is loaded with their first reading: Swagger was a fifth of a start, and 15 MB
 * that a program nobody asks for its document would hold for good.
 */
function serveDocs(app: NestFastifyApplication, options: HttpAppOptions): void {
  let opened: Promise<ServeRaw> | undefined;
  const open = async (): Promise<ServeRaw> => (await import('./openapi.js')).openDocs(app, options);
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    opened ??= open();
    const serveRaw = await opened.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    reply.hijack();
    serveRaw(request.raw, reply.raw);
  };
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get('/docs', serve);
  fastify.get('/docs/*', serve);
}

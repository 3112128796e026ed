import { Logger, type LoggerService, type Type, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { isNativeError } from 'node:util/types';
import { z } from 'zod';
import { EnvironmentFailure } from './exit.js';
import { ProblemFilter, sendProblem } from './problem-filter.js';
import { PROBLEM_MEDIA_TYPE, problem, problemBody } from './problem.js';
import { SchemaPipe } from './schema.js';
import { parseStrictJson } from './strict-json.js';

export type HttpAppOptions = {
  /** Of the program, as the OpenAPI document shows it. */
  name: string;
  version: string;
  /** Largest JSON body. */
  bodyBytesMax: number;
  /** Other content types that routes take as a Buffer, each with its own limit: `{ 'text/csv': 50_000_000 }`. */
  rawBodyBytesMax?: Readonly<Record<string, number>>;
  https?: { cert: string | Buffer; key: string | Buffer };
  /**
   * Whether browsers are to take nothing but TLS from this name for a year (default: with `https`). Not where the authority
   * is our own: its renewal would then shut people out of the page, on another port, that shows how to trust the new one.
   */
  strictTransport?: boolean;
  logger?: LoggerService;
};

/** A whole request must arrive within this: time for a 5 MB push over a slow line, not for a slow-loris. */
const REQUEST_MS_MAX = 120_000;
/** Longer than the minute after which load balancers drop an idle connection, so that they, not we, close first. */
const KEEP_ALIVE_MS = 72_000;
/** What has not arrived, or been fetched, this long after a stop began never will be: a stop is killed after 10 s. */
const STRAGGLER_MS_MAX = 5_000;

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

/**
 * From the first moment of a stop, new requests are told so; those already inside are answered. Connections on which
 * nothing was asked yet (browsers open some ahead) would hold the stop up for ever: Node counts only those idle that had
 * a request before.
 */
class ClosingAdapter extends FastifyAdapter {
  private closing = false;
  private readonly unused = new Set<Socket>();

  constructor({ https, bodyBytesMax, strictTransport = https !== undefined }: HttpAppOptions) {
    super({
      ...(https && { https }),
      bodyLimit: bodyBytesMax,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      return503OnClosing: false,
      clientErrorHandler: refuseBrokenRequest,
      genReqId: () => randomUUID(),
      // The router refuses a malformed URL before any hook or filter runs.
      frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
        secure(request, reply, strictTransport);
        sendProblem(reply, problem('bad-request', 'The address of the request is malformed.'));
      },
    });
    this.getInstance().server.on(https ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.unused.add(socket);
      socket.once('close', () => this.unused.delete(socket));
    });
    this.getInstance().addHook('onRequest', (request, reply, done) => {
      this.unused.delete(request.raw.socket);
      secure(request, reply, strictTransport);
      // Clients name a type for the body they do not send (axios: a form); there is nothing to refuse.
      if (request.headers['content-length'] === '0') delete request.headers['content-type'];
      if (!this.closing) return done();
      sendProblem(reply, problem('shutting-down', undefined, { headers: { connection: 'close', 'retry-after': '5' } }));
    });
  }

  /** Nest calls this first of all, before the shutdown hooks of the modules. */
  override beforeClose(): void {
    this.closing = true;
    for (const socket of this.unused) socket.destroy();
    setTimeout(() => this.getInstance().server.closeAllConnections(), STRAGGLER_MS_MAX).unref();
    super.beforeClose();
  }
}

/** What is not even HTTP gets the same kind of answer, written by hand: there is no request yet to reply to. */
function refuseBrokenRequest(error: Error, socket: Socket): void {
  if (!socket.writable || ('code' in error && error.code === 'ECONNRESET')) {
    socket.destroy();
    return;
  }
  const refused = problem('bad-request', 'This is not a well-formed HTTP request.');
  const told = JSON.stringify(problemBody(refused));
  const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(told)}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${told}`);
}

const DOCS = /^\/docs(?:[/?]|$)/;
const CSP_API = "default-src 'none'; frame-ancestors 'none'";
/** The page of the OpenAPI document: its own scripts and styles, no other host. */
const CSP_DOCS =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

function secure(request: FastifyRequest, reply: FastifyReply, strictTransport: boolean): void {
  reply.header('x-content-type-options', 'nosniff');
  reply.header('referrer-policy', 'no-referrer');
  reply.header('cross-origin-resource-policy', 'same-origin');
  reply.header('content-security-policy', DOCS.test(request.url) ? CSP_DOCS : CSP_API);
  reply.header('cache-control', 'no-store');
  if (strictTransport) reply.header('strict-transport-security', 'max-age=31536000');
}

/** JSON, and what the program names; anything else is 415, forms too: a foreign page can send those unasked. */
function acceptBodies(app: NestFastifyApplication, { bodyBytesMax, rawBodyBytesMax = {} }: HttpAppOptions): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeAllContentTypeParsers();
  const json = { parseAs: 'buffer' as const, bodyLimit: bodyBytesMax };
  fastify.addContentTypeParser<Buffer>('application/json', json, (_request, bytes, done) => {
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
}

/** `/docs` and `/docs/json`; the document is built at its first reading, not at start. The page is served from here. */
function serveDocs(app: NestFastifyApplication, { name, version }: HttpAppOptions): void {
  const document = (): OpenAPIObject =>
    SwaggerModule.createDocument(
      app,
      new DocumentBuilder().setTitle(name).setVersion(version).addBearerAuth().build(),
      {
        standardSchemaConverter: (schema, { schemaType }) =>
          schema instanceof z.ZodType
            ? { schema: z.toJSONSchema(schema, { io: schemaType, target: 'openapi-3.0', unrepresentable: 'any' }) }
            : undefined,
      },
    );
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'docs/json', raw: ['json'] });
}

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { HttpAppOptions } from './app-options.js';
import { KnownRoutes } from './known-routes.js';
import { sendProblem } from './problem-filter.js';
import { PROBLEM_MEDIA_TYPE, problem, problemBody } from './problem.js';

/** A whole request must arrive within this: time for a 5 MB push over a slow line, not for a slow-loris. */
const REQUEST_MS_MAX = 120_000;
/** Longer than the minute after which load balancers drop an idle connection, so that they, not we, close first. */
const KEEP_ALIVE_MS = 72_000;
/** What has not arrived, or been fetched, this long after a stop began never will be: a stop is killed after 10 s. */
const STRAGGLER_MS_MAX = 5_000;

/**
 * From the first moment of a stop, new requests are told so; those already inside are answered. Connections on which
 * nothing was asked yet (browsers open some ahead) would hold the stop up for ever: Node counts only those idle that had
 * a request before.
 */
export class ClosingAdapter extends FastifyAdapter {
  private closing = false;
  private readonly unused = new Set<Socket>();
  private readonly known = new KnownRoutes();

  constructor({ https, bodyBytesMax, strictTransport = https !== undefined }: HttpAppOptions) {
    super({
      ...(https && { https }),
      bodyLimit: bodyBytesMax,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      return503OnClosing: false,
      clientErrorHandler: refuseBrokenRequest,
      genReqId: () => randomUUID(),
      schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
      // The router refuses a malformed URL before any hook or filter runs.
      frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
        secure(request, reply, strictTransport);
        sendProblem(reply, problem('bad-request', 'The address of the request is malformed.'));
      },
    });
    this.getInstance().addHook('onRoute', (route) => this.known.add(route));
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
      sendProblem(reply, problem('shutting-down', undefined, { headers: { 'retry-after': '5' } }));
    });
    // Left open, each connection that was in use when the stop began would hold it up until stragglers are cut off.
    this.getInstance().addHook('onSend', (_request, reply, _payload, done) => {
      if (this.closing) reply.header('connection', 'close');
      done();
    });
  }

  /** A path that is there, asked in another way, is told so, with the ways there are (RFC 9110, 15.5.6). */
  override setNotFoundHandler(handler: (request: FastifyRequest, reply: FastifyReply) => unknown) {
    return super.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
      const methods = this.known.methodsAt(request.url.split('?', 1)[0] as string);
      if (methods.length === 0) return handler(request, reply);
      const allow = methods.join(', ');
      sendProblem(reply, problem('method-not-allowed', `Allowed here: ${allow}.`, { headers: { allow } }));
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

/** In place of Ajv and what builds on it, a hundred files that Fastify loads at start: routes have schemas of zod. */
function noSchemas(): never {
  throw new Error("a route with a schema of Fastify's own: give it one of zod");
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

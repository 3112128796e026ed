import {
  Catch,
  HttpException,
  Logger,
  type ArgumentsHost,
  type ExceptionFilter,
  type LoggerService,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isNativeError } from 'node:util/types';
import type { ProblemCode } from './problem-codes.js';
import { PROBLEM_MEDIA_TYPE, Problem, problem, problemBody, problemOfDomainError } from './problem.js';

const CODE_OF_FASTIFY_ERROR: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported-media-type',
};

const CODE_OF_STATUS: Readonly<Record<number, ProblemCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  413: 'body-too-large',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
  503: 'busy',
};

/** Turns whatever was thrown into problem+json. Only what was meant for the caller leaves the house. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Pick<LoggerService, 'error'> = new Logger('http')) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const expected = expectedProblem(thrown);
    if (!expected) this.logUnexpected(thrown, request);
    if (reply.sent || reply.raw.headersSent) return;
    sendProblem(reply, expected ?? problem('internal', `Request ${request.id} failed.`));
  }

  /** Once, here and nowhere else. The query is left out: it may name people. */
  private logUnexpected(thrown: unknown, request: FastifyRequest): void {
    const path = request.url.split('?', 1)[0];
    const error = isNativeError(thrown) ? thrown : new Error(`thrown: ${String(thrown)}`);
    this.logger.error({ message: error.message, requestId: request.id, method: request.method, path }, error.stack);
  }
}

export function sendProblem(reply: FastifyReply, known: Problem): void {
  for (const [name, value] of Object.entries(known.headers ?? {})) reply.header(name, value);
  // As text: Fastify refuses objects under a content type it has no serialiser for.
  reply
    .code(known.status)
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problemBody(known)));
}

export function expectedProblem(thrown: unknown): Problem | undefined {
  if (thrown instanceof Problem) return thrown;
  const ofDomain = problemOfDomainError(thrown);
  if (ofDomain) return ofDomain;
  if (thrown instanceof HttpException) return problemOfHttpException(thrown);
  if (isNativeError(thrown) && 'statusCode' in thrown) return problemOfFastifyError(thrown, Number(thrown.statusCode));
  return undefined;
}

/** Nest wraps what Fastify refuses before a route runs; the cause says more exactly what it was. */
function problemOfHttpException(exception: HttpException): Problem | undefined {
  const { cause } = exception;
  if (isNativeError(cause) && 'code' in cause) return problemOfFastifyError(cause, exception.getStatus());
  return problemOfStatus(exception.getStatus());
}

function problemOfFastifyError(error: Error, status: number): Problem | undefined {
  const code = 'code' in error && typeof error.code === 'string' ? CODE_OF_FASTIFY_ERROR[error.code] : undefined;
  return code ? problem(code) : problemOfStatus(status);
}

function problemOfStatus(status: number): Problem | undefined {
  const code = CODE_OF_STATUS[status] ?? (status >= 400 && status < 500 ? 'bad-request' : undefined);
  return code && problem(code);
}

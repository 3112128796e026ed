import {
  Body,
  Injectable,
  Param,
  Query,
  StandardSchemaValidationPipe,
  type StandardSchemaValidationPipeOptions,
} from '@nestjs/common';
import type { ApiResponseOptions } from '@nestjs/swagger';
import { z } from 'zod';
import { Problem, problem, type FieldError } from './problem.js';

/** Findings told to a caller; a hostile body must not be answered with a book. */
const ERRORS_MAX = 50;

/**
 * `@body(schema)`: one zod schema validates, gives the type (`z.infer`) and reaches OpenAPI. Objects must be strict at
 * every level; a loose one is refused when the class is declared, not when the first stray field slips through.
 */
export function body(schema: z.ZodType): ParameterDecorator {
  assertStrict(schema);
  return Body({ schema });
}

/** `@query(schema)`: an object of `queryInt`, `queryBool`, `queryList`, strings. */
export function query(schema: z.ZodType): ParameterDecorator {
  assertStrict(schema);
  return Query({ schema });
}

/** `@param('id', uuid)` for one, `@param(schema)` for all path parameters. */
export function param(schema: z.ZodType): ParameterDecorator;
export function param(name: string, schema: z.ZodType): ParameterDecorator;
export function param(nameOrSchema: string | z.ZodType, schema?: z.ZodType): ParameterDecorator {
  if (typeof nameOrSchema === 'string') return Param(nameOrSchema, { schema: schema ?? z.string() });
  assertStrict(nameOrSchema);
  return Param({ schema: nameOrSchema });
}

/** An answer's schema as the OpenAPI document takes it: `@ApiOkResponse({ schema: openApiOf(schema) })`. */
export function openApiOf(schema: z.ZodType): OpenApiSchema {
  return z.toJSONSchema(schema, { io: 'output', target: 'openapi-3.0' }) as OpenApiSchema;
}

type OpenApiSchema = Extract<ApiResponseOptions, { schema: unknown }>['schema'];

/** Nest's own Standard Schema pipe, answering with `unknown-field` and `invalid-field`. */
@Injectable()
export class SchemaPipe extends StandardSchemaValidationPipe {
  constructor() {
    const options: StandardSchemaValidationPipeOptions = { exceptionFactory: problemOfIssues };
    super(options);
  }

  /** The JSON parser has refused `__proto__` and strict schemas refuse it in a query; Nest would walk the body again. */
  protected override stripProtoKeys(): void {}
}

type Issue = {
  readonly message: string;
  readonly path?: readonly unknown[];
  readonly code?: unknown;
  readonly keys?: unknown;
};

export function problemOfIssues(issues: readonly Issue[]): Problem {
  const errors = issues.flatMap(errorsOfIssue);
  const told = errors.slice(0, ERRORS_MAX);
  const unknown = errors.find((error) => error.code === 'unknown-field');
  const first = unknown ?? errors[0];
  const detail = first && (first.path ? `${first.path}: ${first.message}` : first.message);
  return problem(unknown ? 'unknown-field' : 'invalid-field', detail, { errors: told });
}

/** Validates outside a route (a CSV row, a WebSocket message, a decompressed body) with the same answers. */
export function parseWith<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (!result.success) throw problemOfIssues(result.error.issues);
  return result.data;
}

function errorsOfIssue({ message, path = [], code, keys }: Issue): FieldError[] {
  const at = path.map((part) => String(typeof part === 'object' && part !== null && 'key' in part ? part.key : part));
  if (code === 'unrecognized_keys' && Array.isArray(keys)) {
    return keys.map((key) => {
      const field = String(key).slice(0, 100);
      return { path: [...at, field].join('.'), code: 'unknown-field', message: 'This field is not known here.' };
    });
  }
  return [{ path: at.join('.'), code: typeof code === 'string' ? code.replaceAll('_', '-') : 'invalid', message }];
}

/** @throws Error (a bug of ours) for a schema with an object that drops unknown fields without a word */
function assertStrict(schema: z.ZodType): void {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('properties' in node && 'type' in node && node.type === 'object' && !('additionalProperties' in node)) {
      throw new Error(`schema${path}: use z.strictObject, so that unknown fields are refused`);
    }
    for (const [key, child] of Object.entries(node)) visit(child, `${path}.${key}`);
  };
  visit(json, '');
}

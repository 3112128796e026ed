import { EnvironmentFailure } from '@branchline/http/exit.js';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import type { TrialControlPlace } from './console/trial-control.js';

const databaseUrl = z.string({ error: 'expected postgres://…' }).regex(/^postgres(ql)?:\/\//, 'expected postgres://…');

const environment = z.object({
  DATABASE_URL: databaseUrl,
  HUB_HOST: z.string().min(1).default('127.0.0.1'),
  HUB_PORT: z
    .string()
    .regex(/^\d{1,5}$/, 'expected a port')
    .default('8400')
    .transform(Number)
    .pipe(z.int().max(65_535)),
  HUB_SECRETS_DIR: z
    .string({ error: 'expected a folder outside the database' })
    .min(1, 'expected a folder outside the database'),
  HUB_SNAPSHOT_DIR: z.string().min(1).optional(),
  HUB_TLS_CERT: z.string().min(1).optional(),
  HUB_TLS_KEY: z.string().min(1).optional(),
  HUB_TRIAL_CONTROL_URL: z.string().refine(isLoopbackHttp, 'expected http:// on a loopback address').optional(),
  HUB_TRIAL_CONTROL_TOKEN: z.string().min(16, 'expected 16 characters or more').optional(),
  HUB_PUSH_REST_MS: z
    .string()
    .regex(/^\d{1,5}$/, 'expected milliseconds')
    .transform(Number)
    .pipe(z.int().max(60_000))
    .optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'log', 'debug', 'verbose']).default('log'),
});

export type HubConfig = {
  databaseUrl: string;
  host: string;
  /** 0: any free one. */
  port: number;
  secretsDir: string;
  /** Where snapshots of the feed are made, some GB at most; absent: the system's folder for temporary files. */
  snapshotDir?: string;
  https?: { cert: Buffer; key: Buffer };
  logLevel: string;
  /** Absent: `PUSH_REST_MS_USUAL`. */
  pushRestMs?: number;
  /** Set by the program that runs a trial chain, by nobody else. */
  trial?: TrialControlPlace;
};

/**
 * The environment, read once.
 *
 * @throws EnvironmentFailure with one line naming every variable that is wrong
 */
export function readConfig(env: NodeJS.ProcessEnv): HubConfig {
  const found = parsed(environment, env);
  const https = readTls(found.HUB_TLS_CERT, found.HUB_TLS_KEY);
  if (!https && !isLoopback(found.HUB_HOST)) {
    throw new EnvironmentFailure(
      `HUB_HOST: ${found.HUB_HOST} is reachable by others, which needs HUB_TLS_CERT and HUB_TLS_KEY`,
    );
  }
  return {
    databaseUrl: found.DATABASE_URL,
    host: found.HUB_HOST,
    port: found.HUB_PORT,
    secretsDir: found.HUB_SECRETS_DIR,
    snapshotDir: found.HUB_SNAPSHOT_DIR,
    https,
    logLevel: found.LOG_LEVEL,
    pushRestMs: found.HUB_PUSH_REST_MS,
    trial: trialOf(found.HUB_TRIAL_CONTROL_URL, found.HUB_TRIAL_CONTROL_TOKEN),
  };
}

/** What every command beside the server needs. @throws EnvironmentFailure */
export function readDatabaseUrl(env: NodeJS.ProcessEnv): string {
  return parsed(z.object({ DATABASE_URL: databaseUrl }), env).DATABASE_URL;
}

/** What a command needs that proves what the hub has certified. @throws EnvironmentFailure */
export function readSecretsDir(env: NodeJS.ProcessEnv): string {
  return parsed(environment.pick({ HUB_SECRETS_DIR: true }), env).HUB_SECRETS_DIR;
}

function parsed<S extends z.ZodType>(schema: S, env: NodeJS.ProcessEnv): z.output<S> {
  const result = schema.safeParse(env);
  if (result.success) return result.data;
  const reasons = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new EnvironmentFailure(reasons.join('; '));
}

function readTls(cert: string | undefined, key: string | undefined): HubConfig['https'] {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new EnvironmentFailure('HUB_TLS_CERT and HUB_TLS_KEY belong together');
  return { cert: readFileOf('HUB_TLS_CERT', cert), key: readFileOf('HUB_TLS_KEY', key) };
}

function trialOf(url: string | undefined, token: string | undefined): HubConfig['trial'] {
  if (url === undefined && token === undefined) return undefined;
  if (url === undefined || token === undefined)
    throw new EnvironmentFailure('HUB_TRIAL_CONTROL_URL and HUB_TRIAL_CONTROL_TOKEN belong together');
  return { url, token };
}

function readFileOf(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new EnvironmentFailure(`${variable}: ${(error as Error).message}`, { cause: error });
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Its token opens the stores of the trial: it goes to this machine and nowhere else. */
function isLoopbackHttp(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'));
}

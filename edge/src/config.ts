import { join, resolve } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';

export const EDGE_CONFIG = Symbol('edge-config');

/** The edge's environment, parsed and checked once. Empty strings count as absent. */
const environmentSchema = z.object({
  EDGE_DATA: z.string().min(1),
  EDGE_HOST: z.string().default('127.0.0.1'),
  EDGE_PORT: z.coerce.number().int().min(0).max(65535).default(8500),
  EDGE_HUB_URL: z.url({ protocol: /^https?$/ }),
  EDGE_ENROLMENT_CODE: z.string().optional(),
  EDGE_TLS_CERT: z.string().optional(),
  EDGE_TLS_KEY: z.string().optional(),
  /** Better on another disk than the database. */
  EDGE_WITNESS: z.string().optional(),
  EDGE_POLL_MS: z.coerce.number().int().min(100).max(3_600_000).default(30_000),
  EDGE_PUSH_LINES: z.coerce.number().int().min(1).max(5_000).default(500),
  EDGE_REQUEST_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(30_000),
  EDGE_RETRY_MS_MIN: z.coerce.number().int().min(10).max(60_000).default(2_000),
  EDGE_RETRY_MS_MAX: z.coerce.number().int().min(10).max(3_600_000).default(300_000),
});

export type EdgeConfig = {
  dataDir: string;
  databaseFile: string;
  witnessFile: string;
  host: string;
  port: number;
  hubUrl: string;
  enrolmentCode: string | undefined;
  tls: { certFile: string; keyFile: string } | undefined;
  pollMs: number;
  pushLines: number;
  requestTimeoutMs: number;
  retryMsMin: number;
  retryMsMax: number;
};

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/** @throws EnvironmentFailure with one line that names the variable */
export function readConfig(environment: NodeJS.ProcessEnv): EdgeConfig {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EnvironmentFailure(`${issue?.path.join('.')}: ${issue?.message}`);
  }
  const env = parsed.data;
  if ((env.EDGE_TLS_CERT === undefined) !== (env.EDGE_TLS_KEY === undefined)) {
    throw new EnvironmentFailure('EDGE_TLS_CERT and EDGE_TLS_KEY go together');
  }
  if (env.EDGE_TLS_CERT === undefined && !LOOPBACK.includes(env.EDGE_HOST)) {
    throw new EnvironmentFailure(
      `EDGE_HOST ${env.EDGE_HOST}: without EDGE_TLS_CERT and EDGE_TLS_KEY only loopback is served`,
    );
  }
  const dataDir = resolve(env.EDGE_DATA);
  return {
    dataDir,
    databaseFile: join(dataDir, 'edge.db'),
    witnessFile: env.EDGE_WITNESS === undefined ? join(dataDir, 'witness') : resolve(env.EDGE_WITNESS),
    host: env.EDGE_HOST,
    port: env.EDGE_PORT,
    hubUrl: env.EDGE_HUB_URL.replace(/\/+$/, ''),
    enrolmentCode: env.EDGE_ENROLMENT_CODE,
    tls:
      env.EDGE_TLS_CERT !== undefined && env.EDGE_TLS_KEY !== undefined
        ? { certFile: resolve(env.EDGE_TLS_CERT), keyFile: resolve(env.EDGE_TLS_KEY) }
        : undefined,
    pollMs: env.EDGE_POLL_MS,
    pushLines: env.EDGE_PUSH_LINES,
    requestTimeoutMs: env.EDGE_REQUEST_TIMEOUT_MS,
    retryMsMin: env.EDGE_RETRY_MS_MIN,
    retryMsMax: env.EDGE_RETRY_MS_MAX,
  };
}

import { join, resolve } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { PUSH_LINES_MAX } from '@branchline/replication/push.js';
import { z } from 'zod';
import { parseNames, type Names } from './trust/names.js';

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
  /** `auto`: the edge's own certificate, which is also what it takes beyond loopback when none is given. */
  EDGE_TLS: z.enum(['auto', 'off']).optional(),
  /** What tills call the edge by, besides what it finds out itself: `till.example.com,10.0.0.5`. */
  EDGE_TLS_NAMES: z.string().optional(),
  /** Plain HTTP, for the page that shows how to trust the edge's own certificate; off unless given. */
  EDGE_TRUST_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  /** Better on another disk than the database. */
  EDGE_WITNESS: z.string().optional(),
  EDGE_POLL_MS: z.coerce.number().int().min(100).max(3_600_000).default(30_000),
  EDGE_PUSH_LINES: z.coerce.number().int().min(1).max(PUSH_LINES_MAX).default(PUSH_LINES_MAX),
  EDGE_REQUEST_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(30_000),
  EDGE_RETRY_MS_MIN: z.coerce.number().int().min(10).max(60_000).default(2_000),
  EDGE_RETRY_MS_MAX: z.coerce.number().int().min(10).max(3_600_000).default(300_000),
  /** How often the box proves its rows, its journal and the hub; a day, at the branch's own hour. */
  EDGE_VERIFY_MS: z.coerce.number().int().min(60_000).max(604_800_000).default(86_400_000),
});

export type EdgeTls =
  { kind: 'none' } | { kind: 'given'; certFile: string; keyFile: string } | { kind: 'own'; names: Names };

export type EdgeConfig = {
  dataDir: string;
  databaseFile: string;
  witnessFile: string;
  host: string;
  port: number;
  hubUrl: string;
  enrolmentCode: string | undefined;
  tls: EdgeTls;
  trustPort: number | undefined;
  pollMs: number;
  pushLines: number;
  requestTimeoutMs: number;
  retryMsMin: number;
  retryMsMax: number;
  verifyMs: number;
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
  const tls = tlsOf(env);
  const dataDir = resolve(env.EDGE_DATA);
  return {
    dataDir,
    databaseFile: join(dataDir, 'edge.db'),
    witnessFile: env.EDGE_WITNESS === undefined ? join(dataDir, 'witness') : resolve(env.EDGE_WITNESS),
    host: env.EDGE_HOST,
    port: env.EDGE_PORT,
    hubUrl: env.EDGE_HUB_URL.replace(/\/+$/, ''),
    enrolmentCode: env.EDGE_ENROLMENT_CODE,
    tls,
    trustPort: env.EDGE_TRUST_PORT,
    pollMs: env.EDGE_POLL_MS,
    pushLines: env.EDGE_PUSH_LINES,
    requestTimeoutMs: env.EDGE_REQUEST_TIMEOUT_MS,
    retryMsMin: env.EDGE_RETRY_MS_MIN,
    retryMsMax: env.EDGE_RETRY_MS_MAX,
    verifyMs: env.EDGE_VERIFY_MS,
  };
}

function tlsOf(env: z.output<typeof environmentSchema>): EdgeTls {
  const { EDGE_TLS_CERT: certFile, EDGE_TLS_KEY: keyFile, EDGE_TLS: mode, EDGE_HOST: host } = env;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new EnvironmentFailure('EDGE_TLS_CERT and EDGE_TLS_KEY go together');
  }
  const isOwn = certFile === undefined && (mode === 'auto' || (mode === undefined && !LOOPBACK.includes(host)));
  if (isOwn) return { kind: 'own', names: namesOf(env.EDGE_TLS_NAMES ?? '') };
  for (const name of ['EDGE_TLS_NAMES', 'EDGE_TRUST_PORT'] as const) {
    if (env[name] !== undefined)
      throw new EnvironmentFailure(`${name} is for the edge's own certificate (EDGE_TLS=auto)`);
  }
  if (certFile !== undefined && keyFile !== undefined) {
    if (mode !== undefined) throw new EnvironmentFailure(`EDGE_TLS=${mode} and EDGE_TLS_CERT exclude each other`);
    return { kind: 'given', certFile: resolve(certFile), keyFile: resolve(keyFile) };
  }
  if (!LOOPBACK.includes(host)) {
    throw new EnvironmentFailure(`EDGE_HOST ${host}: without TLS only loopback is served`);
  }
  return { kind: 'none' };
}

function namesOf(text: string): Names {
  try {
    return parseNames(text);
  } catch (error) {
    throw new EnvironmentFailure(`EDGE_TLS_NAMES: ${(error as Error).message}`);
  }
}

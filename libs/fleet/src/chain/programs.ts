import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';

/** The built programs, where they stand in the checkout. From `src` and from `dist` it is the same way up. */
export const HUB_MAIN = fromRoot('hub/dist/main.js');
export const HUB_CLI = fromRoot('hub/dist/cli.js');
export const EDGE_MAIN = fromRoot('edge/dist/main.js');
/** As deploy/ starts it, whose memory we weigh. */
export const EDGE_NODE_ARGS = ['--max-semi-space-size=4'];
export const EDGE_NODE_ENV = { MALLOC_ARENA_MAX: '2' };
export const EDGE_CLI = fromRoot('edge/dist/cli.js');

const INIT_MS_MAX = 60_000;
const createdSchema = z.looseObject({ tenant: z.string(), email: z.string(), password: z.string() });

export type CreatedTenant = z.output<typeof createdSchema>;
export interface TenantInput {
  code: string;
  name: string;
  currency: string;
  adminEmail: string;
}

function fromRoot(path: string): string {
  return fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
}

export function assertBuilt(): void {
  for (const file of [HUB_MAIN, HUB_CLI, EDGE_MAIN]) {
    if (!existsSync(file)) throw new EnvironmentFailure(`${file} is missing: run \`npm run build\` first`);
  }
}

/** `hub init`: a tenant and its first administrator. The password is told this once. */
export function initTenant(env: Record<string, string>, tenant: TenantInput): Promise<CreatedTenant> {
  const { code, name, currency, adminEmail } = tenant;
  const flags = ['--tenant', code, '--name', name, '--admin-email', adminEmail, '--currency', currency];
  return new Promise((done, fail) => {
    const options = { env: { ...process.env, ...env }, timeout: INIT_MS_MAX };
    execFile(process.execPath, [HUB_CLI, 'init', ...flags], options, (error, stdout, stderr) => {
      if (error) return fail(new Error(`hub init failed: ${lastLine(stderr) || error.message}`));
      const created = createdSchema.safeParse(parseLast(stdout));
      if (created.success) return done(created.data);
      fail(new Error(`hub init did not say what it made: ${lastLine(stdout)}`));
    });
  });
}

function parseLast(stdout: string): unknown {
  try {
    return JSON.parse(stdout.slice(stdout.indexOf('{')));
  } catch {
    return null;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}

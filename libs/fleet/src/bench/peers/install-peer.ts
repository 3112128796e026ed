import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EnvironmentFailure } from '@branchline/http/exit.js';

const INSTALL_MS_MAX = 300_000;

/**
 * Puts packages of exactly these versions into a folder of their own: they are no dependencies of ours. Their install
 * scripts do not run; what they have of native code comes built. @throws EnvironmentFailure: no registry
 */
export function installPeer(folder: string, packages: readonly string[], signal: AbortSignal): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--loglevel=error'];
  const options = { cwd: folder, signal, timeout: INSTALL_MS_MAX };
  return new Promise((done, fail) => {
    execFile('npm', ['install', ...quiet, '--prefix', folder, ...packages], options, (error, _stdout, stderr) => {
      if (!error) return done();
      if (signal.aborted) return fail(error);
      const why = stderr.trim().split('\n').at(-1) ?? error.message;
      fail(new EnvironmentFailure(`cannot install ${packages.join(' ')} to compare with: ${why}`));
    });
  });
}

/** For a dynamic import of what `installPeer` has put there. @param path below `node_modules` */
export function moduleOf(folder: string, path: string): string {
  return pathToFileURL(join(folder, 'node_modules', path)).href;
}

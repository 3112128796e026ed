import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { ThreadProgram } from '../../src/store/thread-program.js';

const HERE = join(process.cwd(), 'edge', 'test', 'source-thread');

/**
 * A thread that runs TypeScript as it stands: Jest transforms what its own realm imports, and a thread is not in it. So a
 * change is tested without a build, and what is tested is what was changed.
 *
 * @param path from the root of the repository, `edge/src/reader-thread.ts`
 */
export function sourceThread(path: string): ThreadProgram {
  const register = pathToFileURL(join(HERE, 'register.mjs')).href;
  return { url: pathToFileURL(join(process.cwd(), path)), execArgv: ['--no-warnings', '--import', register] };
}

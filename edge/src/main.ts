import { holdHeapSmall, letHeapGrow } from './boot-heap.js';
import { createRequire } from 'node:module';
import { runMain, stopWithParent } from '@branchline/http/exit.js';

const STOPPED_BY_STORAGE = 1;

/**
 * What is heavy, 1,800 files, is loaded by `require`, which reads them one after the other: `import` sends each through the
 * thread pool and took a fifth more processor time and 8 MB (Node 20; 24 is as fast either way, and saves 4 MB).
 */
const load = createRequire(import.meta.url);

/** Boot: environment, identity, file, HTTP. Prints one JSON line on standard output when trading; logs go to standard error. */
runMain('edge', async () => {
  const { readConfig } = load('./config.js') as typeof import('./config.js');
  const config = readConfig(process.env);
  const { ThreadedWriter } = load('./store/threaded-writer.js') as typeof import('./store/threaded-writer.js');
  // It loads what it runs while this thread loads the rest.
  const writer = ThreadedWriter.start({ url: new URL('./writer-thread.js', import.meta.url) });
  load('reflect-metadata');
  const { createLogger } = load('@branchline/http/log.js') as typeof import('@branchline/http/log.js');
  // V8 undoes it for the whole process when the thread begins, which it has by now.
  holdHeapSmall();
  const { startEdge } = load('./start-edge.js') as typeof import('./start-edge.js');
  const { systemClock } = load('@branchline/domain/clock.js') as typeof import('@branchline/domain/clock.js');
  const { v7 } = load('uuid') as typeof import('uuid');
  const logger = createLogger('edge');
  const edge = await startEdge({
    config,
    logger,
    clock: systemClock,
    newId: () => v7(),
    writer,
    onFatal: (error) => {
      logger.error(`the store cannot write, starting again: ${error.message}`);
      // Answers that are already on their way out may leave; nothing else is worth waiting for.
      setTimeout(() => process.exit(STOPPED_BY_STORAGE), 100);
    },
  });
  const { url, branch, trustUrl } = edge;
  process.stdout.write(`${JSON.stringify({ ready: true, url, branch, ...(trustUrl !== null && { trustUrl }) })}\n`);
  stopWithParent();
  letHeapGrow();
  return edge;
});

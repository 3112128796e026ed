import { letHeapGrow } from './boot-heap.js';
import { systemClock } from '@branchline/domain/clock.js';
import { runMain, stopWithParent } from '@branchline/http/exit.js';
import { v7 } from 'uuid';
import { readConfig } from './config.js';

const STOPPED_BY_STORAGE = 1;

/** Boot: environment, identity, file, HTTP. Prints one JSON line on standard output when trading; logs go to standard error. */
runMain('edge', async () => {
  const config = readConfig(process.env);
  // What is heavy is loaded from here on, with the heap held small.
  await import('reflect-metadata');
  const { createLogger } = await import('@branchline/http/log.js');
  const { startEdge } = await import('./start-edge.js');
  const logger = createLogger('edge');
  const edge = await startEdge({
    config,
    logger,
    clock: systemClock,
    newId: () => v7(),
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

import 'reflect-metadata';
import { systemClock } from '@branchline/domain/clock.js';
import { runMain, stopWithParent } from '@branchline/http/exit.js';
import { createLogger } from '@branchline/http/log.js';
import { readConfig } from './config.js';
import { startHub } from './start-hub.js';

runMain('hub', async () => {
  const config = readConfig(process.env);
  const hub = await startHub(config, systemClock, createLogger('hub', config.logLevel), {
    url: new URL('./bulk-thread.js', import.meta.url),
  });
  process.stdout.write(`${JSON.stringify({ ready: true, url: hub.url })}\n`);
  stopWithParent();
  return hub;
});

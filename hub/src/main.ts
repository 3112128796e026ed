import 'reflect-metadata';
import { systemClock } from '@branchline/domain/clock.js';
import { runMain } from '@branchline/http/exit.js';
import { createLogger } from '@branchline/http/log.js';
import { readConfig } from './config.js';
import { startHub } from './start-hub.js';

runMain('hub', async () => {
  const config = readConfig(process.env);
  const hub = await startHub(config, systemClock, createLogger('hub', config.logLevel));
  process.stdout.write(`${JSON.stringify({ ready: true, url: hub.url })}\n`);
  if (process.env['BRANCHLINE_STOP_WITH_PARENT'] === '1') stopWithParent();
  return hub;
});

/** A parent that was killed cannot signal its children, but its end of the pipe closes. */
function stopWithParent(): void {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
  process.stdin.on('error', () => process.kill(process.pid, 'SIGTERM'));
  process.stdin.resume();
}

import { randomBytes } from 'node:crypto';
import { killDescendants, startTestServer, stopTestServer } from './test-server.js';

/** One real PostgreSQL for all workers: DATABASE_URL's, or an embedded one that lives as long as the run. */
export default async function setUp(): Promise<void> {
  const given = process.env['DATABASE_URL'];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void endInterruptedRun());
  process.env['BRANCHLINE_TEST_RUN'] = randomBytes(4).toString('hex');
  process.env['BRANCHLINE_TEST_DATABASE_URL'] = given || (await startTestServer());
}

async function endInterruptedRun(): Promise<void> {
  try {
    killDescendants();
    await stopTestServer();
  } finally {
    process.exit(130);
  }
}

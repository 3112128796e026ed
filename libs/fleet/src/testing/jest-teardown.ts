import { dropRunDatabases } from './database.js';
import { stopTestServer } from './test-server.js';

/** Says nothing: the reporter's closing line is the last one of a run. */
export default async function tearDown(): Promise<void> {
  if (process.env['DATABASE_URL']) await dropRunDatabases();
  await stopTestServer();
}

import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { serveWrites } from '../serve-writes.js';
import { DEVICE_APPLIERS } from './store-fixture.js';
import { WRITER_TEST_WRITES } from './writer-test-jobs.js';

serveWrites({
  writes: WRITER_TEST_WRITES,
  appliers: DEVICE_APPLIERS,
  moveReference: () => undefined,
  applyFetched: () => 'applied',
  clock: systemClock,
  newId: () => v7(),
});

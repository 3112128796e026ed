import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { applyFetched } from './apply-fetched.js';
import { APPLIERS } from './appliers.js';
import { moveReference } from './move-reference.js';
import { serveWrites } from './store/serve-writes.js';
import { WRITES } from './writes.js';

serveWrites({ writes: WRITES, appliers: APPLIERS, moveReference, applyFetched, clock: systemClock, newId: () => v7() });

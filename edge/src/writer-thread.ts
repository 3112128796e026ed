import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { APPLIERS } from './appliers.js';
import { moveReference } from './move-reference.js';
import { serveWrites } from './store/serve-writes.js';
import { WRITES } from './writes.js';

serveWrites({ writes: WRITES, appliers: APPLIERS, moveReference, clock: systemClock, newId: () => v7() });

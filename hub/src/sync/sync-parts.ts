import type { EnrolParts } from './enrol-box.js';
import type { FailureThrottle } from './failure-throttle.js';
import type { TokenParts } from './issue-token.js';
import type { PushLane } from './push-lane.js';
import type { PushParts } from './take-push.js';

/** All that the routes of boxes work with. */
export type SyncParts = EnrolParts & TokenParts & PushParts & { lane: PushLane; throttle: FailureThrottle };

export const SYNC_PARTS = Symbol('sync parts');

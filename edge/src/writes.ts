import { closeShiftWithZ } from './cash/close-shift.js';
import { openShift } from './cash/open-shift.js';
import { sealDay } from './cash/seal-day.js';
import { editCustomer } from './customers/edit-customer.js';
import { findSealedEdits, openCustomer, openCustomers } from './customers/open-customers.js';
import { keepNewPersonKey, keepPersonKeys, learnOfPersons, logWasCut } from './customers/person-keys.js';
import { FEED_ROWS } from './feed-appliers.js';
import { applyFeed, holdRecord } from './replicator/feed-applying.js';
import { stageFeed } from './replicator/feed-staging.js';
import { dropTakes, retakeScope, showTakes } from './replicator/feed-takes.js';
import { historyTaken } from './replicator/history-due.js';
import { learnBundle } from './replicator/learn-bundle.js';
import { learnHello } from './replicator/learn-streams.js';
import { journalTailAgain } from './replicator/leave-history.js';
import { linesTold } from './replicator/lines-told.js';
import { acknowledge } from './replicator/push-state.js';
import { reviewHeld } from './replicator/review-held.js';
import { applySnapshot, beginSnapshot, endSnapshot } from './replicator/snapshot-applying.js';
import { noteSeen } from './replicator/seen-lines.js';
import { logSync } from './replicator/sync-log.js';
import { completeSale } from './selling/complete-sale.js';
import { recordFinishedSale } from './selling/record-finished-sale.js';
import { recordToldSale } from './selling/told-sale.js';
import { writeCorrection } from './selling/write-correction.js';
import { beginSession, endSession, renewSession } from './staff/session.js';
import { countSignIn } from './staff/sign-in-lock.js';
import type { KnownWrites } from './store/serve-writes.js';
import { applyHeld } from './store/late-lines.js';
import { takeLines } from './store/take-lines.js';
import { enrolDevice } from './tills/enrol-device.js';
import { keepVerification, verificationTold } from './verify/last-verification.js';
import { repairFeed } from './verify/repair-feed.js';

/** Every write of the program: the writer's thread finds them here by their names. */
export const WRITES: KnownWrites = {
  commands: [
    completeSale,
    recordFinishedSale,
    recordToldSale,
    openShift,
    closeShiftWithZ,
    sealDay,
    enrolDevice,
    editCustomer,
    writeCorrection,
  ],
  local: [
    acknowledge,
    beginSession,
    beginSnapshot,
    countSignIn,
    endSession,
    endSnapshot,
    historyTaken,
    holdRecord,
    keepNewPersonKey,
    learnOfPersons,
    logWasCut,
    openCustomer,
    journalTailAgain,
    keepVerification,
    learnBundle,
    learnHello,
    linesTold,
    logSync,
    noteSeen,
    renewSession,
    retakeScope,
    showTakes,
    verificationTold,
  ],
  background: [
    applyFeed(FEED_ROWS),
    applyHeld,
    applySnapshot(FEED_ROWS),
    dropTakes(FEED_ROWS),
    findSealedEdits,
    keepPersonKeys,
    openCustomers,
    repairFeed(FEED_ROWS),
    reviewHeld,
    stageFeed,
    takeLines,
  ],
};

import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import type { Authenticator } from '@branchline/access/principal.js';
import type { PasswordHasher } from '@branchline/access/password.js';
import type { TrialControlPlace } from './console/trial-control.js';
import type { Database } from './database/unit-of-work.js';
import type { HubSecrets } from './secrets.js';
import type { BulkPushes } from './sync/take-push.js';

/** What the hub is made of; main and the tests put it together, `HubModule.forRoot` hands it out. */
export type HubParts = {
  database: Database;
  secrets: HubSecrets;
  clock: Clock;
  newId: NewId;
  /** Cryptographic chance. */
  randomBytes: (bytes: number) => Buffer;
  passwords: PasswordHasher;
  /** Folder in which snapshots of the feed are made; derived, of any size up to some GB. */
  snapshotPlace: string;
  /** Where a trial chain is controlled; absent: this is no trial. */
  trial?: TrialControlPlace;
  /** Applies long pushes out of the way of everybody else; absent: where they come in. */
  bulk?: BulkPushes;
  /** How long a box rests for each push that was no good, beyond twenty at once; 0: not at all; absent: as long as usual. */
  pushRestMs?: number;
};

/** For what is no class: `@Inject(CLOCK) clock: Clock`. `Database`, `HubSecrets` and `PasswordHasher` are injected by their class. */
export const CLOCK = Symbol('clock');
export const NEW_ID = Symbol('new id');
export const RANDOM_BYTES = Symbol('random bytes');
export const PUSH_REST_MS_USUAL = 2_000;
/** `BulkPushes | null`. */
export const BULK_PUSHES = Symbol('bulk pushes');
export const PUSH_REST_MS = Symbol('push rest ms');
/** `string`: a folder. */
export const SNAPSHOT_PLACE = Symbol('place of snapshots');
/** `TrialControl | null`. */
export const TRIAL_CONTROL = Symbol('trial control');

/** How a box proves itself: provided by the module of sync, handed to the guard. */
export const BOX_AUTHENTICATOR = Symbol('box authenticator');
/** How an integration proves itself. */
export const INTEGRATION_AUTHENTICATOR = Symbol('integration authenticator');
/** How a person of head office proves himself. */
export const PERSON_AUTHENTICATOR = Symbol('person authenticator');
export type { Authenticator };

import { z } from 'zod';
import { scopeSchema } from './feed.js';
import { hash, id } from './kinds/fields.js';
import { PERSON_KEYS_MAX, personKeysGivenSchema } from './person-keys.js';

/** 2 MB of ids. Those beyond are named in the next bundle. */
export const PERSONS_WANTED_MAX = 10 * PERSON_KEYS_MAX;
/** A box has as many scopes as its hello has cursors. */
const PARTS_MAX = 1_000;

/**
 * What a box without a line asks for beside lines and feed; it counts until its next bundle. `persons`: whose fields came and
 * whose keys did not, and whose keys it offers as long as nobody has said that they came. `parts`: beginnings of snapshots, the
 * files as they are sent, `have` bytes of them.
 */
export const bundleWantsSchema = z.looseObject({
  persons: z.array(id).max(PERSONS_WANTED_MAX),
  parts: z.array(z.looseObject({ scope: scopeSchema, fileSha256: hash, have: z.int().min(1) })).max(PARTS_MAX),
});
export type BundleWants = z.infer<typeof bundleWantsSchema>;

/** As by line (`POST …/wanted`), and `held`: persons asked for of whom the hub has a key, whether this box may have it or not. */
export const personKeysCarriedSchema = personKeysGivenSchema.extend({ held: z.array(id) });
export type PersonKeysCarried = z.infer<typeof personKeysCarriedSchema>;

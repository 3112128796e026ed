import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { id, rawKey } from './kinds/fields.js';
import { PERSON_KEY_BYTES } from './person-cipher.js';
import { openSealed, seal } from './sealing.js';

/**
 * Keys of persons travel beside journal, feed and archive, each time sealed to the one who is to have them, and stand in no
 * line. A box offers those that it made; of persons whose fields have come and whose keys have not it asks.
 */
export const PERSON_KEYS_PATH = '/sync/v1/person-keys';
export const PERSON_KEYS_WANTED_PATH = '/sync/v1/person-keys/wanted';

/** In one request; sealed 0.3 MB. */
export const PERSON_KEYS_MAX = 5_000;
const SEALED_CHARACTERS_MAX = 500_000;

export type PersonKey = { person: string; key: Buffer };

/** `GET`: to which key of the hub (raw X25519, base64url) keys are sealed. */
export const hubSealingKeySchema = z.looseObject({ sealingKey: rawKey });

/** `POST`: keys that this box made, sealed to the hub. */
export const personKeysOfferSchema = z.looseObject({ sealed: z.string().min(1).max(SEALED_CHARACTERS_MAX) });
/** `erased`: of those offered, the persons whose key is to be destroyed here too. */
export const personKeysTakenSchema = z.looseObject({ taken: z.int().min(0), erased: z.array(id) });

/** `POST …/wanted`. */
export const personKeysWantedSchema = z.looseObject({ persons: z.array(id).max(PERSON_KEYS_MAX) });
/**
 * `sealed`: to this box, those that the hub has; null: none. `gone`: customers that were deleted or are another region's.
 * A person in none of the three is asked for again: the key has not come to the hub yet.
 */
export const personKeysGivenSchema = z.looseObject({
  sealed: z.string().nullable(),
  gone: z.array(id),
  erased: z.array(id),
});
export type PersonKeysGiven = z.infer<typeof personKeysGivenSchema>;

const PERSON_BYTES = 16;
const ENTRY_BYTES = PERSON_BYTES + PERSON_KEY_BYTES;

/** @param sealingKey of the receiver, raw X25519, base64url */
export function sealPersonKeys(keys: readonly PersonKey[], sealingKey: string): string {
  const entries = keys.map(({ person, key }) => Buffer.concat([Buffer.from(person.replaceAll('-', ''), 'hex'), key]));
  return seal(Buffer.concat(entries), sealingKey);
}

/** @throws when it was sealed to another, altered, or is no list of keys */
export function openPersonKeys(sealed: string, privateKey: KeyObject): PersonKey[] {
  const bytes = openSealed(sealed, privateKey);
  if (bytes.length % ENTRY_BYTES !== 0 || bytes.length > ENTRY_BYTES * PERSON_KEYS_MAX)
    throw new Error('not a list of keys');
  const keys: PersonKey[] = [];
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const person = bytes.toString('hex', at, at + PERSON_BYTES);
    keys.push({
      person: person.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
      key: Buffer.from(bytes.subarray(at + PERSON_BYTES, at + ENTRY_BYTES)),
    });
  }
  return keys;
}

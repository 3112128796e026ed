import { randomBytes } from 'node:crypto';
import { isPersonal } from '@branchline/domain/customer-fields.js';
import { problem } from '@branchline/http/problem.js';
import { valuesSaid, type CustomerChange, type CustomerValues } from '@branchline/replication/customer-input.js';
import { PERSON_KEY_BYTES, type PersonCipher } from '@branchline/replication/person-cipher.js';
import { wrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Store } from '../store/store.js';
import type { WrittenBy } from '../store/write-job.js';
import { editCustomer, type EditOutcome, type EditToPropose } from './edit-customer.js';
import { openCustomer } from './open-customers.js';
import { isErased, keepNewPersonKey, personCipher, personsWrappingKey } from './person-keys.js';

export type Proposal = {
  id: string;
  customer: string;
  op: EditToPropose['op'];
  said: CustomerChange;
  hubOffsetMs: number | null;
};

/**
 * Seals what is said, journals it, and opens it for this edge's own eyes. The key of a new person is on disk before the first
 * line under it: a key without a line harms nobody, a line without its key is lost.
 *
 * @throws Problem what `editCustomer` refuses with; `busy` as long as the key of a customer of another store has not come
 */
export async function proposeEdit(
  store: Store,
  { id, customer, op, said, hubOffsetMs }: Proposal,
  by: WrittenBy,
): Promise<EditOutcome> {
  if (isErased(store.reads, customer)) throw problem('customer-erased');
  const cipher = await cipherOf(store, customer, op);
  const contentHash = cipher.contentHash({ customer, op, ...said });
  const values = sealedValues(cipher, valuesSaid(said));
  const edit = { id, customer, op, values, contentHash, box: store.box.box, hubOffsetMs };
  const outcome = await store.writer.execute(editCustomer, edit, by);
  await store.writer.write(openCustomer, { customer });
  return outcome;
}

async function cipherOf(store: Store, person: string, op: EditToPropose['op']): Promise<PersonCipher> {
  const wrappingKey = personsWrappingKey(store.box);
  const known = personCipher(store.reads, person, wrappingKey);
  if (known !== null) return known;
  if (op !== 'create') {
    if (store.reads.get('SELECT 1 FROM customer WHERE id = ?', person) === undefined) throw problem('not-found');
    throw problem('busy', 'the key of this customer has not come from head office yet');
  }
  const wrapped = wrapPersonKey(person, randomBytes(PERSON_KEY_BYTES), wrappingKey);
  await store.writer.write(keepNewPersonKey, { person, wrapped: wrapped.toString('base64url') });
  const made = personCipher(store.reads, person, wrappingKey);
  if (made === null) throw problem('customer-erased');
  return made;
}

function sealedValues(cipher: PersonCipher, said: CustomerValues): CustomerValues {
  const sealed = Object.entries(said).map(([field, value]) => {
    return [field, typeof value === 'string' && isPersonal(field) ? cipher.seal(field, value) : value];
  });
  return Object.fromEntries(sealed) as CustomerValues;
}

import { randomBytes } from 'node:crypto';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { CustomerEditBody } from '@branchline/replication/kinds/customer-edit.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { v7 } from 'uuid';
import type { TestBox } from './test-box.js';

export const NOW = Date.UTC(2026, 10, 20, 12);

/** A person as a store makes one: an id, a key, and edits under it. */
export class Person {
  readonly cipher: PersonCipher;

  constructor(
    readonly id = v7(),
    readonly key = randomBytes(32),
  ) {
    this.cipher = new PersonCipher(id, key);
  }

  edit(
    box: TestBox,
    changes: Record<string, { said: string | null; over?: string[] }>,
    other: Partial<CustomerEditBody> = {},
  ): CustomerEditBody {
    const sealed = Object.entries(changes).map(([field, { said, over = [] }]) => {
      const isPlain = field.startsWith('consent') || field === 'region' || field === 'language';
      return [field, { value: said === null || isPlain ? said : this.cipher.seal(field, said), over }];
    });
    const hlc = nextHlc(null, NOW);
    return {
      id: v7(),
      customer: this.id,
      op: 'edit',
      box: box.box,
      hlc,
      changes: Object.fromEntries(sealed),
      ...other,
    };
  }
}

import { describe, expect, it } from '@jest/globals';
import type { Box } from '@branchline/access/principal.js';
import { ManualClock } from '@branchline/domain/clock.js';
import type { FastifyRequest } from 'fastify';
import type { Database, Tx } from '../database/unit-of-work.js';
import { Contacts } from './contacts.js';

const BOX: Box = { kind: 'box', tenantId: 'T', branchId: 'B', branchCode: 'B001', boxId: 'X' };

/** @param execute what becomes of each statement */
function contactsOn(execute: () => Promise<number>): {
  contacts: Contacts;
  poll(): Promise<unknown>;
  clock: ManualClock;
} {
  const clock = new ManualClock(1_000_000);
  const database = { transaction: (_tenant: string, work: (tx: Tx) => unknown) => work({ execute } as unknown as Tx) };
  const contacts = new Contacts(database as unknown as Database, clock);
  const heard = contacts.hearing(() => Promise.resolve(BOX));
  return { contacts, poll: () => heard({ headers: {} } as FastifyRequest), clock };
}

describe('when a box was heard', () => {
  it('is written with its next request when it could not be written', async () => {
    const failures = [new Error('away')];
    let written = 0;
    const { contacts, poll, clock } = contactsOn(async () => {
      const failure = failures.pop();
      if (failure) throw failure;
      return (written += 1);
    });
    await poll();
    await contacts.store();
    expect(written).toBe(0);
    clock.advance(1_000);
    await poll();
    await contacts.store();
    expect(written).toBe(1);
  });

  it('holds up no stop when the database does not answer', async () => {
    const { contacts, poll } = contactsOn(() => new Promise(() => undefined));
    await poll();
    const startedAtMs = performance.now();
    await contacts.onModuleDestroy();
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  });
});

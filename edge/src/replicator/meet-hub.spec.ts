import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import { v7 } from 'uuid';
import { storeFixture, type StoreFixture } from '../store/testing/store-fixture.js';
import type { HubClient } from './hub-client.js';
import { MeetHub } from './meet-hub.js';

const HELLO_EVERY_MS = 600_000;

describe('a hello', () => {
  let fixture: StoreFixture;
  beforeEach(() => {
    fixture = storeFixture();
  });
  afterEach(() => fixture.remove());

  it('that was asked for while one was under way is said again after it, and once', async () => {
    const store = await fixture.open();
    let [asked, midst] = [0, (): void => undefined];
    const hello = async (): Promise<HelloAnswer> => {
      asked += 1;
      midst();
      return {
        ...{ hubEpoch: v7(), now: fixture.clock.now(), protocol: 1, scopes: [] },
        ...{ streams: [], hashes: [], cursors: [] },
      };
    };
    const meet = new MeetHub({
      ...{ store, hub: { hello } as unknown as HubClient, clock: fixture.clock },
      by: { version: 'x', instance: v7() },
      alarm: (message) => fixture.alarms.push(message),
      onContact: () => undefined,
      onBehind: () => undefined,
    });
    midst = () => meet.makeDue();
    await meet.ifDue();
    midst = () => undefined;
    await meet.ifDue();
    expect(asked).toBe(2);
    await meet.ifDue();
    expect(asked).toBe(2);
    fixture.clock.set(fixture.clock.now() + HELLO_EVERY_MS);
    await meet.ifDue();
    expect(asked).toBe(3);
    await store.close();
  });
});

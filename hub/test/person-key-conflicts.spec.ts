import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import type { FeedBody } from '@branchline/replication/feed.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import { openPersonKeys, sealPersonKeys, type PersonKeysGiven } from '@branchline/replication/person-keys.js';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import { apiAt, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';
import { NOW, Person } from './test-person.js';

let hub: HubHarness;
let [one, two]: [TestBox, TestBox] = [] as never;
const clock = new ManualClock(NOW);

beforeAll(async () => {
  hub = await startHubHarness(clock);
  await createPlaces(hub.admin.api);
  for (const code of ['B001', 'B002']) await createBranch(hub.admin.api, code);
  one = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
  two = await TestBox.enrol(hub.url, hub.admin.api, 'B002');
});
afterAll(() => hub.close());

type Edit = ReturnType<Person['edit']>;
type Item = { id: string; branch: string; kind: string; type: string; suggested: string; strategies: string[] };

const opened = () => hub.hub.app.get(CustomerOpener).settled();

async function told(box: TestBox, ...edits: Edit[]): Promise<void> {
  const journal = box.newJournal();
  for (const edit of edits) journal.append('customer-edit', edit.id, edit);
  expect((await box.push(journal.push())).status).toBe(200);
}

async function offer(box: TestBox, { id: person, key }: Person): Promise<void> {
  const { data } = await apiAt(hub.url, box.token).get<{ sealingKey: string }>('/sync/v1/person-keys');
  const sealed = sealPersonKeys([{ person, key }], data.sealingKey);
  expect((await apiAt(hub.url, box.token).post('/sync/v1/person-keys', { sealed })).status).toBe(200);
}

async function keyGiven(box: TestBox, { id }: Person): Promise<Buffer | undefined> {
  const asked = { persons: [id] };
  const { data } = await apiAt(hub.url, box.token).post<PersonKeysGiven>('/sync/v1/person-keys/wanted', asked);
  return data.sealed === null ? undefined : openPersonKeys(data.sealed, box.keys.sealing)[0]?.key;
}

async function read({ id }: Person): Promise<Record<string, unknown>> {
  await opened();
  return (await hub.admin.api.get(`/v1/customers/${id}`)).data;
}

async function conflictsAbout({ id }: Person, state = 'all'): Promise<Item[]> {
  await opened();
  const { data } = await hub.admin.api.get('/v1/conflicts', { params: { state, limit: 200 } });
  return data.items.filter(({ key, kind }: { key: string; kind: string }) => key === id && kind === 'person-key');
}

async function conflictAbout(person: Person): Promise<Item> {
  const items = await conflictsAbout(person);
  expect(items).toHaveLength(1);
  return items[0] as Item;
}

const resolve = (item: Item, strategy: string) => hub.admin.api.post(`/v1/conflicts/${item.id}/resolve`, { strategy });

async function recordOf(person: Person): Promise<FeedBody<'customer'>> {
  await hub.numbered();
  const [record] = await hub.database.asOwner<{ body: FeedBody<'customer'> }>(
    `SELECT body FROM feed_record WHERE kind = 'customer' AND key = $1 ORDER BY number DESC LIMIT 1`,
    [person.id],
  );
  return record?.body as FeedBody<'customer'>;
}

const inRegion = { region: { said: 'R1' } };
const create = { op: 'create' as const, hlc: nextHlc(null, NOW - 900) };

/** Both branches made a person of one id, each with a key of its own: the name is under the first's, the note under the second's. */
async function disputed(): Promise<{ person: Person; second: Person; item: Item }> {
  const person = new Person();
  const theirs = new Person(person.id);
  await offer(one, person);
  await told(one, person.edit(one, { name: { said: 'Ann' }, ...inRegion }, create));
  await told(two, theirs.edit(two, { note: { said: 'theirs' }, ...inRegion }, create));
  await offer(two, theirs);
  expect(await read(person)).toMatchObject({ name: 'Ann', note: null });
  return { person, second: theirs, item: await conflictAbout(person) };
}

describe('two keys of one person', () => {
  it('are a conflict of the branch whose key does not stand, and an incident', async () => {
    const { person, item } = await disputed();
    expect(item).toMatchObject({
      ...{ branch: 'B002', type: 'constraint_violation', suggested: 'keep_hub' },
      strategies: ['keep_hub', 'keep_branch'],
    });
    const { data } = await hub.admin.api.get(`/v1/conflicts/${item.id}`);
    expect(data.contents.hub).toEqual({ madeBy: 'B001', keyIsHere: true });
    const incidents = await hub.admin.api.get('/v1/incidents', { params: { code: 'person-key-disputed' } });
    expect(incidents.data.items).toEqual([expect.objectContaining({ branch: 'B002' })]);
    expect(await keyGiven(two, person)).toEqual(person.key);
  });

  it.each(['keep_hub', 'keep_branch'])(
    'come to one by %s, under which all lies that either of them opened',
    async (by) => {
      const { person, second, item } = await disputed();
      const kept = by === 'keep_hub' ? person : second;
      expect((await resolve(item, by)).data).toMatchObject({ state: 'settled', strategy: by });
      expect(await read(person)).toMatchObject({ name: 'Ann', note: 'theirs' });
      const { fields, keyHash } = await recordOf(person);
      expect(keyHash).toBe(kept.cipher.keyHash());
      for (const [field, text] of [
        ['name', 'Ann'],
        ['note', 'theirs'],
      ] as const)
        expect(kept.cipher.open(field, fields[field]?.value ?? '')).toBe(text);
      for (const box of [one, two]) expect(await keyGiven(box, person)).toEqual(kept.key);
      const { data } = await hub.admin.api.get('/v1/audit', { params: { limit: 200 } });
      const audited = data.items.filter(({ subject }: { subject: string }) => subject === `customer:${person.id}`);
      expect(audited).toMatchObject([{ action: 'customer.key', detail: { conflict: item.id } }]);
    },
  );

  it('are told once: neither is a dispute again when it is offered again', async () => {
    const { person, second, item } = await disputed();
    await offer(two, second);
    await conflictAbout(person);
    await resolve(item, 'keep_branch');
    await offer(one, person);
    await offer(two, second);
    expect(await conflictsAbout(person, 'open')).toEqual([]);
    expect(await keyGiven(one, person)).toEqual(second.key);
  });

  it('of which one was retired open what a store that has not heard of it seals with that one later', async () => {
    const { person, second, item } = await disputed();
    await resolve(item, 'keep_hub');
    await opened();
    await told(two, second.edit(two, { address: { said: 'Long Street' } }));
    expect(await read(person)).toMatchObject({ name: 'Ann', address: 'Long Street' });
    const { fields } = await recordOf(person);
    expect(person.cipher.open('address', fields.address?.value ?? '')).toBe('Long Street');
  });

  it('are both destroyed with the person, before and after it was decided', async () => {
    for (const isDecided of [false, true]) {
      const { person, item } = await disputed();
      if (isDecided) await resolve(item, 'keep_hub');
      expect((await hub.admin.api.post(`/v1/customers/${person.id}/erase`)).data.erased).toBe(true);
      const left = `SELECT person FROM person_key_offer WHERE person = $1 UNION ALL
        SELECT person FROM person_key_retired WHERE person = $1 UNION ALL
        SELECT person FROM person_key WHERE person = $1 AND wrapped IS NOT NULL`;
      expect(await hub.database.asOwner(left, [person.id])).toEqual([]);
      if (isDecided) continue;
      expect((await resolve(item, 'keep_branch')).data.code).toBe('customer-erased');
      expect((await resolve(item, 'keep_hub')).data.state).toBe('settled');
    }
  });

  it('are told of also when both were there before any line said whose the person is', async () => {
    const person = new Person();
    const second = new Person(person.id);
    await offer(two, second);
    await offer(one, person);
    expect(await conflictsAbout(person)).toEqual([]);
    await told(one, person.edit(one, { name: { said: 'Ann' }, ...inRegion }, create));
    expect(await conflictAbout(person)).toMatchObject({ branch: 'B002' });
  });

  it('end for the store that made the person, where another that knew the id was the first to say so', async () => {
    const person = new Person();
    const thief = new Person(person.id);
    await told(two, thief.edit(two, { name: { said: 'Not Ann' }, ...inRegion }, create));
    await offer(two, thief);
    await told(one, person.edit(one, { phone: { said: '123' }, ...inRegion }, create));
    await offer(one, person);
    const item = await conflictAbout(person);
    expect(item).toMatchObject({ branch: 'B001' });
    await resolve(item, 'keep_branch');
    expect(await keyGiven(one, person)).toEqual(person.key);
    expect(await read(person)).toMatchObject({ name: 'Not Ann', phone: '123' });
  });

  it('may be two of one branch, whose box made the person again with another key', async () => {
    const person = new Person();
    await offer(one, person);
    await told(one, person.edit(one, { name: { said: 'Ann' }, ...inRegion }, create));
    const again = new Person(person.id);
    await offer(one, again);
    const item = await conflictAbout(person);
    expect(item).toMatchObject({ branch: 'B001' });
    expect((await resolve(item, 'keep_branch')).data.state).toBe('settled');
    expect(again.cipher.open('name', (await recordOf(person)).fields.name?.value ?? '')).toBe('Ann');
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import type { FeedBody } from '@branchline/replication/feed.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import { sealPersonKeys } from '@branchline/replication/person-keys.js';
import type { AxiosInstance } from 'axios';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import { apiAt, create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';
import { NOW, Person } from './test-person.js';

let hub: HubHarness;
let [one, two, far]: [TestBox, TestBox, TestBox] = [] as never;
const clock = new ManualClock(NOW);

beforeAll(async () => {
  hub = await startHubHarness(clock);
  await createPlaces(hub.admin.api);
  await create(hub.admin.api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  for (const code of ['B001', 'B002']) await createBranch(hub.admin.api, code);
  await createBranch(hub.admin.api, 'B003', { region: 'R2' });
  far = await TestBox.enrol(hub.url, hub.admin.api, 'B003');
  one = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
  two = await TestBox.enrol(hub.url, hub.admin.api, 'B002');
});
afterAll(() => hub.close());

type Item = { id: string; branch: string; kind: string; type: string; suggested: string; strategies: string[] };
type Edit = ReturnType<Person['edit']>;
type Shown = {
  name: string | null;
  phone: string | null;
  note: string | null;
  lost: { field: string; value: string }[];
};

const resolve = (item: Item, input: Record<string, unknown>, api: AxiosInstance = hub.admin.api) =>
  api.post(`/v1/conflicts/${item.id}/resolve`, input);

async function told(box: TestBox, ...edits: Edit[]): Promise<void> {
  const journal = box.newJournal();
  for (const edit of edits) journal.append('customer-edit', edit.id, edit);
  expect((await box.push(journal.push())).status).toBe(200);
}

async function read({ id }: Person): Promise<Shown> {
  await hub.hub.app.get(CustomerOpener).settled();
  return (await hub.admin.api.get(`/v1/customers/${id}`)).data;
}

/** What stores are told of a customer, in clear. */
async function recordOf(
  person: Person,
): Promise<{ values: Record<string, string | null>; judged: Record<string, string> }> {
  await hub.numbered();
  const [record] = await hub.database.asOwner<{ body: FeedBody<'customer'> }>(
    `SELECT body FROM feed_record WHERE kind = 'customer' AND key = $1 ORDER BY number DESC LIMIT 1`,
    [person.id],
  );
  const fields = Object.entries(record?.body.fields ?? {}) as [string, { value: string | null }][];
  const values = fields.map(([field, { value }]) => {
    return [field, value?.startsWith('p1.') ? person.cipher.open(field, value) : value];
  });
  return { values: Object.fromEntries(values), judged: record?.body.judged ?? {} };
}

async function conflictAbout(box: TestBox, key: string): Promise<Item> {
  const params = { branch: box.branchCode, state: 'all', limit: 200 };
  const { data } = await hub.admin.api.get('/v1/conflicts', { params });
  const items = (data.items as (Item & { key: string })[]).filter((item) => item.key === key);
  expect(items).toHaveLength(1);
  return items[0] as Item;
}

/** What the branch is told of its conflicts. */
async function seenByBranch(
  box: TestBox,
  { id }: Item,
): Promise<{ state: string; strategy: string | null } | undefined> {
  await hub.numbered();
  const { data } = await box.feed(`branch:${box.branch}`);
  const lists = data.records.filter(({ kind }: { kind: string }) => kind === 'work-lists');
  const [last] = lists.slice(-1) as { body: FeedBody<'work-lists'> }[];
  return last?.body.conflicts.items.find((item) => item.id === id) as never;
}

async function audited(subject: string): Promise<{ action: string; actor: string; detail: Record<string, unknown> }[]> {
  const { data } = await hub.admin.api.get('/v1/audit', { params: { limit: 200 } });
  return data.items.filter((entry: { subject: string }) => entry.subject === subject);
}

async function offer(box: TestBox, { id: person, key }: Person): Promise<void> {
  const { data } = await apiAt(hub.url, box.token).get<{ sealingKey: string }>('/sync/v1/person-keys');
  const sealed = sealPersonKeys([{ person, key }], data.sealingKey);
  expect((await apiAt(hub.url, box.token).post('/sync/v1/person-keys', { sealed })).status).toBe(200);
}

async function made(person = new Person()): Promise<{ person: Person; made: Edit }> {
  await offer(one, person);
  const changes = { name: { said: 'Ann' }, phone: { said: '1' }, region: { said: 'R1' } };
  const edit = person.edit(one, changes, { op: 'create', hlc: nextHlc(null, NOW - 900) });
  await told(one, edit);
  return { person, made: edit };
}

/** Both branches write the number, and the second a note as well, neither having seen the other. */
async function apart() {
  const { person, made: first } = await made();
  const over = [first.id];
  const ours = person.edit(one, { phone: { said: '22', over } }, { hlc: nextHlc(null, NOW - 500) });
  const theirs = person.edit(
    two,
    { phone: { said: '33', over }, note: { said: 'theirs' } },
    { hlc: nextHlc(null, NOW - 700) },
  );
  await told(one, ours);
  await told(two, theirs);
  return { person, ours, theirs, item: await conflictAbout(two, person.id) };
}

describe('one field of a customer, written at two places', () => {
  it('is a conflict of the branch that told last, with what each side wrote for who may read of the customer', async () => {
    const { item } = await apart();
    expect(item).toMatchObject({
      ...{ branch: 'B002', kind: 'customer', type: 'data_mismatch', suggested: 'keep_hub' },
      strategies: ['keep_hub', 'keep_branch', 'merge'],
    });
    const { data } = await hub.admin.api.get(`/v1/conflicts/${item.id}`);
    expect(data.values).toMatchObject({ hub: { phone: '22' }, branch: { phone: '33' } });
    const password = await personWith('area-manager', 'R2', 'elsewhere');
    expect((await password.get(`/v1/conflicts/${item.id}`)).status).toBe(404);
    expect(await seenByBranch(two, item)).toMatchObject({ state: 'open' });
  });

  it.each([
    ['keep_hub', '22', []],
    ['keep_branch', '33', ['phone']],
    ['merge', '22', []],
  ])('settled by %s is told to every store as %s, and nothing is kept beside it', async (strategy, phone, changed) => {
    const { person, item } = await apart();
    expect((await read(person)).lost).toMatchObject([{ field: 'phone', value: '33' }]);
    expect((await resolve(item, { strategy })).data).toMatchObject({ state: 'settled', strategy });
    expect(await read(person)).toMatchObject({ phone, note: 'theirs', lost: [] });
    expect((await recordOf(person)).values).toMatchObject({ phone, note: 'theirs', name: 'Ann' });
    expect(await seenByBranch(two, item)).toMatchObject({ state: 'settled', strategy });
    expect(await audited(`conflict:${item.id}`)).toMatchObject([{ action: 'conflict.resolve', detail: { strategy } }]);
    const edits = (await audited(`customer:${person.id}`)).filter(({ action }) => action === 'customer.edit');
    expect(edits.map(({ detail }) => detail)).toEqual(changed.length === 0 ? [] : [{ changed, conflict: item.id }]);
  });

  it('settled by a value that is told has that value, which lies nowhere in clear but where customers do', async () => {
    const { person, item } = await apart();
    const merged = { phone: '444-telling', note: null };
    const first = await resolve(item, { strategy: 'merge', merged });
    expect(first.data).toMatchObject({ state: 'settled' });
    expect((await resolve(item, { strategy: 'merge', merged })).status).toBe(200);
    expect((await resolve(item, { strategy: 'merge', merged: { phone: '5' } })).data.code).toBe('already-settled');
    expect(await read(person)).toMatchObject({ phone: '444-telling', note: null, lost: [] });
    expect((await recordOf(person)).values).toMatchObject({ phone: '444-telling', note: null });
    const [kept] = await hub.database.asOwner<{ merged: object }>('SELECT merged FROM conflict WHERE id = $1', [
      item.id,
    ]);
    expect(Object.keys(kept?.merged ?? {}).sort()).toEqual(['note', 'phone']);
    expect(JSON.stringify([kept, await audited(`conflict:${item.id}`)])).not.toContain('telling');
  });

  it('stays as somebody wrote it who had seen one of the two: only a value that is told goes over that', async () => {
    const { person, ours, item } = await apart();
    await told(one, person.edit(one, { phone: { said: '55', over: [ours.id] } }, { hlc: nextHlc(null, NOW - 100) }));
    const refused = await resolve(item, { strategy: 'keep_branch' });
    expect([refused.status, refused.data.code]).toEqual([409, 'not-decidable']);
    expect((await read(person)).phone).toBe('55');
    expect((await resolve(item, { strategy: 'keep_hub' })).data.state).toBe('settled');
    expect((await read(person)).phone).toBe('55');
  });

  it('of somebody who was erased in between ends with keep_hub, and brings nothing back', async () => {
    const { person, item } = await apart();
    await hub.admin.api.post(`/v1/customers/${person.id}/erase`);
    for (const input of [{ strategy: 'keep_branch' }, { strategy: 'merge', merged: { phone: '6' } }])
      expect((await resolve(item, input)).data.code).toBe('customer-erased');
    expect((await hub.admin.api.get(`/v1/conflicts/${item.id}`)).data.values).toBeNull();
    expect((await resolve(item, { strategy: 'keep_hub' })).data.state).toBe('settled');
    expect((await hub.admin.api.get(`/v1/customers/${person.id}`)).status).toBe(410);
  });

  it('of somebody who was deleted in between cannot be written', async () => {
    const { person, item } = await apart();
    await hub.admin.api.delete(`/v1/customers/${person.id}`);
    expect((await resolve(item, { strategy: 'keep_branch' })).data.code).toBe('not-decidable');
    expect((await resolve(item, { strategy: 'keep_hub' })).data.state).toBe('settled');
  });

  it('is written by who may change customers in the customer’s region only', async () => {
    const { person, item } = await apart();
    await hub.admin.api.patch(`/v1/customers/${person.id}`, { region: 'R2' });
    const manager = await personWith('area-manager', 'R1', 'of-the-branch');
    expect((await resolve(item, { strategy: 'keep_branch' }, manager)).data.code).toBe('forbidden');
    expect((await manager.get(`/v1/conflicts/${item.id}`)).data.values).toBeNull();
    const merged = await resolve(item, { strategy: 'merge', merged: { region: 'R1' } });
    expect([merged.status, merged.data.code]).toEqual([400, 'unknown-field']);
  });

  it('is none where one had seen the other, where both said the same, and of a consent', async () => {
    const { person, made: first } = await made();
    const over = [first.id];
    const seen = person.edit(one, { name: { said: 'Bea', over }, consentSms: { said: 'granted' } });
    const after = person.edit(two, { name: { said: 'Cleo', over: [seen.id] }, consentSms: { said: 'denied' } });
    const [same, again] = [one, two].map((box) => person.edit(box, { phone: { said: '9', over } })) as [Edit, Edit];
    await told(one, seen, same);
    await told(two, after, again);
    const { data } = await hub.admin.api.get('/v1/conflicts', { params: { state: 'all', limit: 200 } });
    expect(data.items.filter(({ key }: { key: string }) => key === person.id)).toEqual([]);
  });

  it('comes to what was decided when the branch is made anew from its archive', async () => {
    const { person, theirs, item } = await apart();
    await resolve(item, { strategy: 'keep_branch' });
    await hub.database.asOwner('DELETE FROM customer_edit WHERE id = $1', [theirs.id]);
    expect((await hub.admin.api.post('/v1/fleet/B002/repair')).data).toMatchObject({ count: 1 });
    expect(await read(person)).toMatchObject({ phone: '33', note: 'theirs', lost: [] });
    expect(await conflictAbout(two, person.id)).toMatchObject({ id: item.id });
  });
});

/** One edit told with two contents: the number in both, in the second a note as well. */
async function twice() {
  const { person, made: first } = await made();
  const over = [first.id];
  const edit = person.edit(one, { phone: { said: '22', over } }, { hlc: nextHlc(null, NOW - 500) });
  const other = person.edit(
    one,
    { phone: { said: '33', over }, note: { said: 'second' } },
    { id: edit.id, hlc: nextHlc(null, NOW - 300) },
  );
  await told(one, edit);
  await told(one, other);
  return { person, edit, other, item: await conflictAbout(one, edit.id) };
}

describe('one edit of a customer with two contents', () => {
  it.each([
    ['keep_hub', '22', null],
    ['keep_branch', '33', 'second'],
    ['merge', '33', 'second'],
  ])('settled by %s is told to every store, and pending at none', async (strategy, phone, note) => {
    const { person, other, item } = await twice();
    expect(item).toMatchObject({ kind: 'customer-edit', strategies: ['keep_hub', 'keep_branch', 'merge'] });
    const { data } = await hub.admin.api.get(`/v1/conflicts/${item.id}`);
    expect(data.values).toMatchObject({ hub: { phone: '22' }, branch: { phone: '33', note: 'second' } });
    expect((await recordOf(person)).judged[one.box]).not.toBe(other.hlc);
    expect((await resolve(item, { strategy })).data).toMatchObject({ state: 'settled', strategy });
    expect(await read(person)).toMatchObject({ phone, note });
    const record = await recordOf(person);
    expect([record.values['phone'], record.values['note'] ?? null]).toEqual([phone, note]);
    // Up to its own clock the box that wrote the second shows nothing as pending.
    expect(record.judged[one.box]).toBe(other.hlc);
    expect((await hub.admin.api.get('/v1/quarantine', { params: { branch: 'B001' } })).data.items).toEqual([]);
  });

  it('settled by keep_branch stands where nothing later does', async () => {
    const { person, edit, item } = await twice();
    const later = person.edit(two, { phone: { said: '77', over: [edit.id] } }, { hlc: nextHlc(null, NOW - 100) });
    await told(two, later);
    await resolve(item, { strategy: 'keep_branch' });
    expect(await read(person)).toMatchObject({ phone: '77', note: 'second', lost: [{ field: 'phone', value: '33' }] });
    const [change] = (await audited(`customer:${person.id}`)).filter(({ action }) => action === 'customer.edit');
    expect(change?.detail).toEqual({ changed: ['note'], conflict: item.id });
  });

  it('settled by merge has what is told over both', async () => {
    const { person, item } = await twice();
    await resolve(item, { strategy: 'merge', merged: { phone: '88' } });
    expect(await read(person)).toMatchObject({ phone: '88', note: 'second', lost: [] });
  });

  it('comes to what was decided when the branch is made anew from its archive', async () => {
    const { person, edit, other, item } = await twice();
    await resolve(item, { strategy: 'keep_branch' });
    await hub.database.asOwner('DELETE FROM customer_edit WHERE id = $1', [edit.id]);
    expect((await hub.admin.api.post('/v1/fleet/B001/repair')).status).toBe(200);
    expect(await read(person)).toMatchObject({ phone: '33', note: 'second', lost: [] });
    expect((await recordOf(person)).judged[one.box]).toBe(other.hlc);
  });
});

describe('a delete of a customer of another region', () => {
  const deleted = (person: Person, box: TestBox, hlc = nextHlc(null, NOW - 10)) =>
    person.edit(box, {}, { op: 'delete', hlc });

  it('is withheld, and a conflict that shows whose it is', async () => {
    const { person } = await made();
    await told(far, deleted(person, far));
    expect(await read(person)).toMatchObject({ name: 'Ann' });
    const item = await conflictAbout(far, person.id);
    expect(item).toMatchObject({ type: 'constraint_violation', kind: 'customer', suggested: 'keep_hub' });
    expect(item.strategies).toEqual(['keep_hub', 'keep_branch']);
    expect((await resolve(item, { strategy: 'merge', merged: { name: 'B' } })).data.code).toBe('strategy-not-allowed');
    expect((await resolve(item, { strategy: 'keep_hub' })).data.state).toBe('settled');
    expect(await read(person)).toMatchObject({ name: 'Ann' });
    const record = await recordOf(person);
    expect(record.values).toMatchObject({ name: 'Ann' });
  });

  it('is followed where head office says so, in its own name', async () => {
    const { person } = await made();
    await told(far, deleted(person, far));
    const item = await conflictAbout(far, person.id);
    expect((await resolve(item, { strategy: 'keep_branch' })).data.state).toBe('settled');
    expect((await hub.admin.api.get(`/v1/customers/${person.id}`)).status).toBe(404);
    const entries = (await audited(`customer:${person.id}`)).filter(({ action }) => action === 'customer.delete');
    expect(entries.map(({ detail }) => detail)).toEqual([{ changed: [], conflict: item.id }]);
  });

  it('stays withheld when rows are made anew, and verify finds nothing', async () => {
    const { person } = await made();
    await told(far, deleted(person, far));
    await hub.database.asOwner('DELETE FROM customer_edit WHERE customer_id = $1 AND op = $2', [person.id, 'delete']);
    expect((await hub.admin.api.post('/v1/fleet/B003/repair')).data).toMatchObject({ count: 1 });
    expect(await read(person)).toMatchObject({ name: 'Ann' });
    for (const branch of ['B001', 'B003'])
      expect((await hub.admin.api.post(`/v1/fleet/${branch}/verify`)).data).toMatchObject({ outcome: 'equal' });
  });

  it('is none where the store made the customer, in one push with it or before head office moved it', async () => {
    const [once, moved] = [new Person(), new Person()];
    const making = (person: Person) =>
      person.edit(far, { name: { said: 'F' }, region: { said: 'R2' } }, { op: 'create' });
    await told(far, making(once), deleted(once, far, nextHlc(null, NOW + 1)));
    await offer(far, moved);
    await told(far, making(moved));
    const { status } = await hub.admin.api.patch(`/v1/customers/${moved.id}`, { region: 'R1' });
    expect(status).toBe(200);
    await told(far, deleted(moved, far, nextHlc(null, NOW + 1)));
    for (const { id } of [once, moved]) expect((await hub.admin.api.get(`/v1/customers/${id}`)).status).toBe(404);
  });

  it('is withheld of somebody nobody has told of, also where the store says in the same breath that it made one known', async () => {
    const unknown = new Person();
    await told(far, deleted(unknown, far));
    await conflictAbout(far, unknown.id);
    await made(unknown);
    expect(await read(unknown)).toMatchObject({ name: 'Ann' });
    const { person } = await made();
    await told(far, person.edit(far, {}, { op: 'create' }), deleted(person, far));
    expect(await read(person)).toMatchObject({ name: 'Ann' });
  });

  it('is withheld of one that head office made, though the store says that it did', async () => {
    const person = new Person();
    await create(hub.admin.api, '/v1/customers', { id: person.id, name: 'Office', region: 'R1' });
    await told(far, person.edit(far, {}, { op: 'create' }));
    await told(far, deleted(person, far));
    expect(await read(person)).toMatchObject({ name: 'Office' });
  });

  it('is none of a store of the customer’s region', async () => {
    const { person } = await made();
    await told(two, deleted(person, two));
    expect((await hub.admin.api.get(`/v1/customers/${person.id}`)).status).toBe(404);
  });
});

async function personWith(role: string, region: string, name: string): Promise<AxiosInstance> {
  const email = `${name}@acme.example`;
  const { password } = await create<{ password: string }>(hub.admin.api, '/v1/people', {
    ...{ email, name },
    grants: [{ role, scope: 'region', id: region }],
  });
  return (await hub.signIn(email, password)).api;
}

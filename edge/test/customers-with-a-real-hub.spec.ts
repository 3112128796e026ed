import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { wrapPersonKey } from '@branchline/replication/person-wrap.js';
import { v7 } from 'uuid';
import { CustomerOpener } from '../../hub/src/customers/customer-opener.js';
import { HubSecrets } from '../../hub/src/secrets.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { ChainHarness, type StoreHarness } from './chain-harness.js';

/** Two stores of one region, one of another, and their hub. */
let chain: ChainHarness;
let [one, two, far]: StoreHarness[] = [];

beforeAll(async () => {
  chain = await ChainHarness.start({ B001: { region: 'R1' }, B002: { region: 'R1' }, B003: { region: 'R2' } });
  [one, two, far] = ['B001', 'B002', 'B003'].map((code) => chain.store(code));
});
/** A test that failed leaves no line cut for those after it. */
afterEach(() => {
  for (const store of [one, two, far]) store?.line.restore();
});
afterAll(() => chain.close());

const office = () => chain.hub.admin.api;
const at = (store: StoreHarness | undefined, id: string) => (store as StoreHarness).manager.get(`/v1/customers/${id}`);

/** What a store shows once the hub has decided on all of it. */
async function settledAt(store: StoreHarness | undefined, id: string, expected: object): Promise<void> {
  let shown: unknown;
  await eventually(`${JSON.stringify(expected)} at ${store?.code}`, async () => {
    shown = (await at(store, id)).data;
    return matches(shown, { state: 'known', ...expected });
  }).catch(() => expect(shown).toMatchObject({ state: 'known', ...expected }));
}

function matches(shown: unknown, expected: object): boolean {
  return Object.entries(expected).every(([name, value]) => (shown as Record<string, unknown>)[name] === value);
}

async function created(said: object): Promise<string> {
  const id = v7();
  const { status, data } = await one!.manager.post('/v1/customers', { id, ...said });
  expect({ status, data }).toMatchObject({ status: 201, data: { id } });
  return id;
}

describe('a customer', () => {
  it('made in a store without a line is there at once, and everywhere in the region with it', async () => {
    one!.line.cut();
    const id = await created({ name: 'Thandi  Nkosi', phone: '+27 82 555 0134', consentSms: 'granted' });
    expect((await at(one, id)).data).toMatchObject({
      ...{ name: 'Thandi Nkosi', phone: '+27 82 555 0134', consentSms: 'granted', region: 'R1' },
      ...{ state: 'pending', hub: null, isOpen: true },
      pending: [{ op: 'create', changes: { name: 'Thandi Nkosi' } }],
    });
    expect((await one!.manager.get('/v1/customers?search=082 555 0134')).data.items).toMatchObject([{ id }]);
    one!.line.restore();
    await settledAt(one, id, { name: 'Thandi Nkosi' });
    await settledAt(two, id, { name: 'Thandi Nkosi', consentSms: 'granted', isOpen: true });
    expect((await at(one, id)).data).toMatchObject({ pending: [], hub: { name: 'Thandi Nkosi' } });
    for (const search of ['thandi n', '825550134'])
      expect((await two!.manager.get('/v1/customers', { params: { search } })).data.items).toMatchObject([{ id }]);
    expect((await at(far, id)).status).toBe(404);
    const { data } = await office().get(`/v1/customers/${id}`);
    expect(data).toMatchObject({
      name: 'Thandi Nkosi',
      phone: '+27 82 555 0134',
      region: 'R1',
      isOpen: true,
      lost: [],
    });
  });

  it('changed in two stores and at head office at once comes to one, and what lost is kept', async () => {
    const id = await created({ name: 'Ann', phone: '1', consentEmail: 'granted' });
    for (const store of [one, two]) await settledAt(store, id, { name: 'Ann', isOpen: true });
    one!.line.cut();
    two!.line.cut();
    await one!.manager.patch(`/v1/customers/${id}`, { name: 'Anna', consentEmail: 'granted', language: 'en' });
    await one!.manager.patch(`/v1/customers/${id}`, { phone: '2' });
    await two!.manager.patch(`/v1/customers/${id}`, { name: 'Anne', note: 'calls on Mondays' });
    await office().patch(`/v1/customers/${id}`, { consentEmail: 'denied', address: '1 Long Street' });
    expect((await at(one, id)).data).toMatchObject({
      ...{ name: 'Anna', phone: '2', state: 'pending' },
      hub: { name: 'Ann', phone: '1' },
    });
    two!.line.restore();
    await two!.pushed();
    one!.line.restore();
    await one!.pushed();
    const merged = { name: 'Anne', phone: '2', note: 'calls on Mondays', address: '1 Long Street', language: 'en' };
    for (const store of [one, two]) await settledAt(store, id, { ...merged, consentEmail: 'denied' });
    await chain.hub.hub.app.get(CustomerOpener).settled();
    const { data } = await office().get(`/v1/customers/${id}`);
    expect(data).toMatchObject({ ...merged, consentEmail: 'denied', lost: [{ field: 'name', value: 'Anna' }] });
  });

  it('of which one store’s word lost gets it back by a decision, which that store sees', async () => {
    const id = await created({ name: 'Bea', phone: '1' });
    for (const store of [one, two]) await settledAt(store, id, { name: 'Bea', isOpen: true });
    one!.line.cut();
    await one!.manager.patch(`/v1/customers/${id}`, { name: 'Beate' });
    await two!.manager.patch(`/v1/customers/${id}`, { name: 'Beatrix' });
    await two!.pushed();
    one!.line.restore();
    await one!.pushed();
    for (const store of [one, two]) await settledAt(store, id, { name: 'Beatrix' });
    const seen = async (): Promise<Record<string, unknown> | undefined> => {
      const { data } = await one!.manager.get('/v1/sync/conflicts');
      return data.items.find(({ key }: { key: string }) => key === id);
    };
    await eventually('seen at the store', async () => (await seen())?.['state'] === 'open');
    const item = await seen();
    expect(item).toMatchObject({ kind: 'customer', type: 'data_mismatch', suggested: 'keep_hub' });
    const asked = await office().get(`/v1/conflicts/${String(item?.['id'])}`);
    expect(asked.data.values).toEqual({ customer: id, hub: { name: 'Beatrix' }, branch: { name: 'Beate' } });
    await office().post(`/v1/conflicts/${String(item?.['id'])}/resolve`, { strategy: 'keep_branch' });
    for (const store of [one, two]) await settledAt(store, id, { name: 'Beate', phone: '1' });
    await eventually('settled at the store', async () => (await seen())?.['strategy'] === 'keep_branch');
  });

  it('deleted in one store stays deleted though another changes it', async () => {
    const id = await created({ name: 'Gone Girl' });
    await settledAt(two, id, { name: 'Gone Girl', isOpen: true });
    two!.line.cut();
    await two!.manager.patch(`/v1/customers/${id}`, { name: 'Still Here' });
    expect((await one!.manager.delete(`/v1/customers/${id}`)).status).toBe(204);
    expect((await one!.manager.get('/v1/customers?search=gone g')).data.items).toEqual([]);
    await one!.pushed();
    two!.line.restore();
    await two!.pushed();
    for (const store of [one, two]) await eventually('gone', async () => (await at(store, id)).status === 404);
    expect((await two!.manager.get('/v1/customers?search=still')).data.items).toEqual([]);
    expect((await office().get(`/v1/customers/${id}`)).status).toBe(404);
  });

  it('made at head office is known in the stores of its region, and moves with it', async () => {
    const made = await office().post('/v1/customers', { name: 'Moving Man', email: 'man@example.org', region: 'R1' });
    expect(made.status).toBe(201);
    const { id } = made.data as { id: string };
    await settledAt(two, id, { email: 'man@example.org', isOpen: true });
    expect((await two!.manager.patch(`/v1/customers/${id}`, { phone: '5' })).status).toBe(200);
    await two!.pushed();
    expect((await office().patch(`/v1/customers/${id}`, { region: 'R2' })).status).toBe(200);
    await settledAt(far, id, { email: 'man@example.org', phone: '5', isOpen: true });
    await eventually('gone from the old region', async () => (await at(two, id)).status === 404);
  });

  it('told twice is one, and other content under its id is refused', async () => {
    const said = { id: v7(), name: 'Once', email: 'once@example.org' };
    expect((await one!.manager.post('/v1/customers', said)).status).toBe(201);
    const again = await one!.manager.post('/v1/customers', said);
    expect([again.status, again.headers['idempotent-replay']]).toEqual([200, 'true']);
    const other = await one!.manager.post('/v1/customers', { ...said, name: 'Twice' });
    expect([other.status, other.data.code]).toEqual([409, 'same-id-other-content']);
  });

  it('of whom head office decided for another key is read in every store, and written there, under that one', async () => {
    const id = await created({ name: 'Two Keys' });
    for (const store of [one, two]) await settledAt(store, id, { name: 'Two Keys', isOpen: true });
    const { database, hub, admin } = chain.hub;
    const [branch] = await database.asOwner<{ id: string }>(`SELECT id FROM branch WHERE code = 'B002'`);
    const other = wrapPersonKey(id, randomBytes(32), hub.app.get(HubSecrets).personsMaster);
    await database.asOwner(
      `INSERT INTO person_key_offer SELECT tenant_id, id, $2, gen_random_uuid(), $3, now() FROM customer WHERE id = $1`,
      [id, branch?.id, other],
    );
    await hub.app.get(CustomerOpener).sweep();
    const { data } = await admin.api.get('/v1/conflicts', { params: { branch: 'B002' } });
    const item = data.items.find(({ key }: { key: string }) => key === id);
    const resolved = await admin.api.post(`/v1/conflicts/${item.id}/resolve`, { strategy: 'keep_branch' });
    expect(resolved.data).toMatchObject({ kind: 'person-key', state: 'settled' });
    // Under the key of before a store would show nothing of what is sealed anew, and seal what nobody else opens.
    await office().patch(`/v1/customers/${id}`, { note: 'under the other key' });
    for (const store of [one, two])
      await settledAt(store, id, { name: 'Two Keys', note: 'under the other key', isOpen: true });
    await one!.manager.patch(`/v1/customers/${id}`, { phone: '77' });
    await settledAt(two, id, { phone: '77', isOpen: true });
    expect((await office().get(`/v1/customers/${id}`)).data).toMatchObject({ name: 'Two Keys', phone: '77' });
  });

  it('whose key a hub lost that was set back is read there again', async () => {
    const id = await created({ name: 'Key Kept' });
    await settledAt(two, id, { name: 'Key Kept', isOpen: true });
    const { database } = chain.hub;
    await database.asOwner('DELETE FROM person_key WHERE person = $1', [id]);
    await database.asOwner('DELETE FROM customer_open WHERE id = $1', [id]);
    await database.asOwner('UPDATE customer SET opened = false WHERE id = $1', [id]);
    expect((await office().get(`/v1/customers/${id}`)).data).toMatchObject({ isOpen: false });
    await database.asOwner('UPDATE hub_state SET hub_epoch = gen_random_uuid()');
    // No line breaks: that it is another hub the box learns from the feed alone.
    await eventually('the key again', async () => (await office().get(`/v1/customers/${id}`)).data.isOpen === true);
    expect((await office().get(`/v1/customers/${id}`)).data).toMatchObject({ name: 'Key Kept' });
  });

  it('who is two at head office becomes one', async () => {
    const keep = await created({ name: 'Keep Me', consentPost: 'granted' });
    const drop = await created({ name: 'Drop Me', email: 'both@example.org', consentPost: 'denied' });
    await settledAt(two, drop, { isOpen: true });
    await settledAt(two, keep, { isOpen: true });
    const { status, data } = await office().post('/v1/customers/merge', { keep, drop });
    expect({ status, data }).toMatchObject({
      status: 200,
      data: { name: 'Keep Me', email: 'both@example.org', consentPost: 'denied' },
    });
    await settledAt(two, keep, { email: 'both@example.org', consentPost: 'denied' });
    await eventually('the other is gone', async () => (await at(two, drop)).status === 404);
  });
});

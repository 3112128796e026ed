import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { AxiosResponse } from 'axios';
import { v7 } from 'uuid';
import { CustomerOpener } from '../../hub/src/customers/customer-opener.js';
import { personsWrappingKey } from '../src/customers/person-keys.js';
import { BundleWorld, well, type Store } from './bundle-world.js';

/** Two stores of a region and one of another, none with a line. */
let world: BundleWorld;
let [one, two, far]: Store[] = [];

beforeAll(async () => {
  world = await BundleWorld.start(5);
  await world.hub.admin.api.post('/v1/regions', { code: 'R2', name: 'Far' });
  [one, two] = [await world.openStore('B001'), await world.openStore('B002')];
  far = await world.openStore('B003', { region: 'R2' });
});
afterAll(() => world.close());

const office = (id: string): Promise<AxiosResponse> => world.hub.admin.api.get(`/v1/customers/${id}`);
const at = (store: Store | undefined, id: string): Promise<AxiosResponse> =>
  (store as Store).manager.get(`/v1/customers/${id}`);

async function created(store: Store | undefined, said: object): Promise<string> {
  const id = v7();
  expect((await store!.manager.post('/v1/customers', { id, ...said })).status).toBe(201);
  return id;
}

/** A stick from the store to head office, all of it decided there, and published. */
async function carriedUp(store: Store | undefined): Promise<Buffer> {
  const up = await world.upOf(store!);
  await well(world.intoHub(up));
  await decided();
  return up;
}

async function decided(): Promise<void> {
  await world.hub.hub.app.get(CustomerOpener).settled();
  await world.hub.numbered();
}

async function carriedDown(store: Store | undefined): Promise<Buffer> {
  const down = await world.downOf(store!.branch);
  await well(world.intoEdge(store!, down));
  return down;
}

function keyAt(store: Store | undefined, id: string): { key: Buffer | null; offered: number } | null {
  const { reads, box } = store!.edge.store;
  const row = reads.get<{ wrapped: Buffer; offered: number }>(
    'SELECT wrapped, offered FROM person_key WHERE person = ?',
    id,
  );
  if (row === undefined) return null;
  return { key: unwrapPersonKey(id, row.wrapped, personsWrappingKey(box)), offered: row.offered };
}

describe('a customer of a store without a line', () => {
  it('can be opened at head office after the first stick, and in the region’s stores after the next', async () => {
    const id = await created(one, { name: 'Thandi Nkosi', phone: '+27 82 555 0134' });
    expect(keyAt(one, id)).toMatchObject({ offered: 0 });
    const up = await carriedUp(one);
    expect((await office(id)).data).toMatchObject({ name: 'Thandi Nkosi', phone: '+27 82 555 0134', isOpen: true });
    const { key } = keyAt(one, id) as { key: Buffer };
    for (const seen of [key, Buffer.from(key.toString('base64')), Buffer.from(key.toString('hex'))])
      expect(up.includes(seen)).toBe(false);

    await carriedDown(two);
    expect((await at(two, id)).data).toMatchObject({ name: 'Thandi Nkosi', isOpen: true, state: 'known' });
    expect(keyAt(two, id)).toEqual({ key, offered: 1 });
    await carriedDown(far);
    expect((await at(far, id)).status).toBe(404);
    expect(keyAt(far, id)).toBeNull();

    await carriedDown(one);
    expect((await at(one, id)).data).toMatchObject({ state: 'known', pending: [], hub: { name: 'Thandi Nkosi' } });
    expect(keyAt(one, id)).toEqual({ key, offered: 1 });
  });

  it('is offered in each bundle until head office has said that its key came', async () => {
    const id = await created(one, { name: 'Lost On The Way' });
    const lost = await world.upOf(one!);
    await carriedUp(one);
    expect((await office(id)).data).toMatchObject({ name: 'Lost On The Way', isOpen: true });
    expect(keyAt(one, id)).toMatchObject({ offered: 0 });
    await well(world.intoHub(lost));
    await carriedDown(one);
    expect(keyAt(one, id)).toMatchObject({ offered: 1 });
  });

  it('who is of another region by now is told to be gone, and not offered again', async () => {
    const id = await created(one, { name: 'Moving Man' });
    await carriedUp(one);
    expect((await world.hub.admin.api.patch(`/v1/customers/${id}`, { region: 'R2' })).status).toBe(200);
    await decided();
    await carriedDown(one);
    expect((await at(one, id)).status).toBe(404);
    expect(keyAt(one, id)).toMatchObject({ offered: 1 });
    await carriedDown(far);
    expect((await at(far, id)).data).toMatchObject({ name: 'Moving Man', isOpen: true });
  });
});

describe('a key that comes later than what it opens', () => {
  it('is asked for by the next bundle, and comes with the answer to it', async () => {
    const id = await created(one, { name: 'Key Comes Later' });
    await carriedUp(one);
    // As if its lines had come by another way than its key.
    const [kept] = await world.hub.database.asOwner<{ wrapped: Buffer }>(
      'SELECT wrapped FROM person_key WHERE person = $1',
      [id],
    );
    await world.hub.database.asOwner('DELETE FROM person_key WHERE person = $1', [id]);
    await carriedDown(two);
    expect((await at(two, id)).data).toMatchObject({ isOpen: false });
    await carriedUp(two);
    await world.hub.database.asOwner('INSERT INTO person_key (tenant_id, person, wrapped) VALUES ($1, $2, $3)', [
      ...[world.hub.admin.tenantId, id, kept!.wrapped],
    ]);
    await carriedDown(two);
    expect((await at(two, id)).data).toMatchObject({ name: 'Key Comes Later', isOpen: true });
  });
});

describe('an erasure', () => {
  it('reaches the stores, and no older bundle brings the person back, whichever way it goes', async () => {
    const id = await created(one, { name: 'Zyxcanary Person', note: 'forget me' });
    const up = await carriedUp(one);
    const downs = [await carriedDown(one), await carriedDown(two)];
    expect((await at(two, id)).data).toMatchObject({ isOpen: true });
    expect((await world.hub.admin.api.post(`/v1/customers/${id}/erase`)).status).toBe(200);
    await decided();
    await carriedDown(one);
    await carriedDown(two);
    for (let times = 0; times < 2; times += 1) {
      await well(world.intoHub(up));
      await well(world.intoEdge(one!, downs[0]!));
      await well(world.intoEdge(two!, downs[1]!));
      for (const store of [one, two]) {
        expect(keyAt(store, id)).toBeNull();
        expect(JSON.stringify((await at(store, id)).data)).not.toContain('Zyxcanary');
      }
    }
    await decided();
    expect(JSON.stringify((await office(id)).data)).not.toContain('Zyxcanary');
    expect(await world.hub.database.asOwner('SELECT wrapped FROM person_key WHERE person = $1', [id])).toEqual([
      { wrapped: null },
    ]);
  });

  it('of a person whose key comes only now is answered, and the store destroys it', async () => {
    const id = await created(one, { name: 'Zyxcanary Late' });
    await carriedUp(one);
    await carriedDown(one);
    expect((await world.hub.admin.api.post(`/v1/customers/${id}/erase`)).status).toBe(200);
    await decided();
    await carriedUp(one);
    await carriedDown(one);
    expect(keyAt(one, id)).toBeNull();
  });
});

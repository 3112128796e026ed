import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { CustomerEditBody } from '@branchline/replication/kinds/customer-edit.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { openPersonKeys, sealPersonKeys, type PersonKeysGiven } from '@branchline/replication/person-keys.js';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import { apiAt, create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';
import { NOW, Person } from './test-person.js';

let hub: HubHarness;
let [one, two, far]: TestBox[] = [];
const clock = new ManualClock(NOW);

beforeAll(async () => {
  hub = await startHubHarness(clock);
  await createPlaces(hub.admin.api);
  await create(hub.admin.api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  for (const [code, region] of [
    ['B001', 'R1'],
    ['B002', 'R1'],
    ['B003', 'R2'],
  ] as const)
    await createBranch(hub.admin.api, code, { region });
  [one, two, far] = await Promise.all(
    ['B001', 'B002', 'B003'].map((code) => TestBox.enrol(hub.url, hub.admin.api, code)),
  );
});
afterAll(() => hub.close());

const append = (journal: JournalBuilder, ...edits: CustomerEditBody[]): void => {
  for (const edit of edits) journal.append('customer-edit', edit.id, edit);
};

const asBox = (box: TestBox | undefined) => apiAt(hub.url, box!.token);
const opened = () => hub.hub.app.get(CustomerOpener).settled();
const read = async (id: string) => {
  await opened();
  return (await hub.admin.api.get(`/v1/customers/${id}`)).data;
};

async function offer(box: TestBox | undefined, ...persons: Person[]): Promise<{ taken: number; erased: string[] }> {
  const { data } = await asBox(box).get<{ sealingKey: string }>('/sync/v1/person-keys');
  const keys = persons.map(({ id: person, key }) => ({ person, key }));
  const answer = await asBox(box).post('/sync/v1/person-keys', { sealed: sealPersonKeys(keys, data.sealingKey) });
  expect(answer.status).toBe(200);
  return answer.data as { taken: number; erased: string[] };
}

async function wanted(box: TestBox | undefined, persons: string[]): Promise<PersonKeysGiven & { keys: Buffer[] }> {
  const { data } = await asBox(box).post<PersonKeysGiven>('/sync/v1/person-keys/wanted', { persons });
  const keys = data.sealed === null ? [] : openPersonKeys(data.sealed, box!.keys.sealing).map(({ key }) => key);
  return { ...data, keys };
}

async function pushed(box: TestBox | undefined, journal: JournalBuilder): Promise<void> {
  const { status, data } = await box!.push(journal.push());
  expect([status, data.quarantined]).toEqual([200, []]);
}

describe('customers at the hub', () => {
  it('come to the same whatever the order in which branches tell, and their keys', async () => {
    const steps = ['one', 'two', 'key', 'far'] as const;
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...steps], { minLength: 4 }), async (order) => {
        const person = new Person();
        const made = person.edit(
          one!,
          { name: { said: 'Ann' }, consentSms: { said: 'granted' }, region: { said: 'R1' } },
          { op: 'create', hlc: nextHlc(null, NOW - 9) },
        );
        const renamed = person.edit(one!, { name: { said: 'Anna', over: [made.id] } }, { hlc: nextHlc(null, NOW - 5) });
        const other = person.edit(
          two!,
          { name: { said: 'Anne', over: [made.id] }, consentSms: { said: 'denied', over: [made.id] } },
          { hlc: nextHlc(null, NOW - 3) },
        );
        const again = person.edit(
          far!,
          { consentSms: { said: 'granted', over: [made.id] }, phone: { said: '7' } },
          { hlc: nextHlc(null, NOW - 1) },
        );
        const journals = { one: one!.newJournal(), two: two!.newJournal(), far: far!.newJournal() };
        append(journals.one, made, renamed);
        append(journals.two, other);
        append(journals.far, again);
        for (const step of order) {
          if (step === 'key') await offer(one, person);
          else await pushed({ one, two, far }[step], journals[step]);
        }
        expect(await read(person.id)).toMatchObject({
          ...{ name: 'Anne', phone: '7', consentSms: 'denied', region: 'R1', isOpen: true },
          lost: expect.arrayContaining([
            expect.objectContaining({ field: 'name', value: 'Anna' }),
            expect.objectContaining({ field: 'consentSms', value: 'granted' }),
          ]),
        });
      }),
      { numRuns: 8, seed: 20261121 },
    );
  });

  it('are told by a store in the name of its own boxes alone', async () => {
    const person = new Person();
    const made = person.edit(one!, { name: { said: 'Own' }, region: { said: 'R1' } }, { op: 'create' });
    const theirs = person.edit(two!, { language: { said: 'en' } }, { box: one!.box, hlc: 'ffffffffffff-ffff' });
    const [first, second] = [one!.newJournal(), two!.newJournal()];
    append(first, made);
    append(second, theirs);
    await pushed(one, first);
    await pushed(two, second);
    await hub.numbered();
    const judged = async (): Promise<Record<string, string>> => {
      const [record] = await hub.database.asOwner<{ body: { judged: Record<string, string> } }>(
        `SELECT body FROM feed_record WHERE kind = 'customer' AND key = $1 ORDER BY number DESC LIMIT 1`,
        [person.id],
      );
      return record?.body.judged ?? {};
    };
    expect((await judged())[one!.box]).toBe(made.hlc);
    expect((await judged())[two!.box]).toBe(theirs.hlc);
  });

  it('told again by another history are the same edits', async () => {
    const person = new Person();
    const made = person.edit(one!, { name: { said: 'Once' }, region: { said: 'R1' } }, { op: 'create' });
    const journal = one!.newJournal();
    append(journal, made);
    await pushed(one, journal);
    const second = one!.newJournal({ epoch: 9 });
    append(second, made);
    await pushed(one, second);
    await offer(one, person);
    expect(await read(person.id)).toMatchObject({ name: 'Once', lost: [] });
  });

  it('come to the same again when a row of theirs was lost and is made anew from the archive', async () => {
    const person = new Person();
    const made = person.edit(two!, { name: { said: 'First' }, region: { said: 'R1' } }, { op: 'create' });
    const renamed = person.edit(two!, { name: { said: 'Second', over: [made.id] } });
    const journal = two!.newJournal();
    append(journal, made, renamed);
    await pushed(two, journal);
    await offer(two, person);
    await hub.admin.api.patch(`/v1/customers/${person.id}`, { name: 'Third' });
    const before = await read(person.id);
    expect(before).toMatchObject({ name: 'Third', lost: [] });
    await hub.database.asOwner('DELETE FROM customer_edit WHERE id = $1', [made.id]);
    const { status, data } = await hub.admin.api.post('/v1/fleet/B002/repair');
    expect({ status, data }).toMatchObject({ status: 200, data: { count: 1 } });
    expect(await read(person.id)).toMatchObject({ name: 'Third', region: 'R1', lost: [] });
  });

  it('with a clock of next year win against nobody who writes after them', async () => {
    const person = new Person();
    const made = person.edit(one!, { name: { said: 'Now' }, region: { said: 'R1' } }, { op: 'create' });
    const future = person.edit(two!, { name: { said: 'Future', over: [made.id] } }, { hlc: nextHlc(null, NOW + 31e9) });
    const [first, second, third] = [one!.newJournal(), two!.newJournal(), far!.newJournal()];
    append(first, made);
    append(second, future);
    await pushed(one, first);
    await pushed(two, second);
    clock.set(NOW + 360_000);
    append(
      third,
      person.edit(far!, { name: { said: 'Later', over: [made.id] } }, { hlc: nextHlc(null, NOW + 360_000) }),
    );
    await pushed(far, third);
    clock.set(NOW);
    await offer(one, person);
    expect((await read(person.id)).name).toBe('Later');
  });

  it('are taken to another region by head office, and by no store of that region', async () => {
    const person = new Person();
    const journals = { one: one!.newJournal(), far: far!.newJournal() };
    const made = person.edit(one!, { name: { said: 'Wanted' }, region: { said: 'R1' } }, { op: 'create' });
    append(journals.one, made);
    await pushed(one, journals.one);
    await offer(one, person);
    const thief = { hlc: nextHlc(null, NOW + 60_000), box: '00000000-0000-0000-0000-000000000000' };
    append(journals.far, person.edit(far!, { region: { said: 'R2', over: [made.id] } }, thief));
    append(journals.far, person.edit(far!, { region: { said: 'R2' } }, { ...thief, op: 'create' }));
    append(journals.far, person.edit(far!, { region: { said: null, over: [made.id] } }, thief));
    await pushed(far, journals.far);
    expect(await read(person.id)).toMatchObject({ name: 'Wanted', region: 'R1', lost: [] });
    expect(await wanted(far, [person.id])).toMatchObject({ keys: [], gone: [person.id] });
    expect((await hub.admin.api.post('/v1/fleet/B003/repair')).status).toBe(200);
    expect(await read(person.id)).toMatchObject({ region: 'R1' });
    expect((await hub.admin.api.patch(`/v1/customers/${person.id}`, { region: 'R2' })).status).toBe(200);
    expect(await wanted(far, [person.id])).toMatchObject({ keys: [person.key], gone: [] });
  });

  it('are no line with a name in clear, and what is told of that line tells no name', async () => {
    const journal = one!.newJournal();
    const person = new Person();
    const bare = person.edit(one!, {}, { op: 'create' });
    append(journal, { ...bare, changes: { name: { value: 'Clear Canary', over: [] } } } as never);
    const { data } = await one!.push(journal.push());
    expect(data.quarantined).toMatchObject([{ code: 'invalid-body' }]);
    const listed = await hub.admin.api.get('/v1/quarantine?limit=500');
    expect(JSON.stringify([data, listed.data])).not.toContain('Canary');
  });

  it('survive any line a box may sign, one that is no edit as well as one that floods a field', async () => {
    const person = new Person();
    await offer(one, person);
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'Flood 0' }, region: { said: 'R1' } }, { op: 'create' }));
    for (let at = 1; at <= 300; at += 1)
      append(
        journal,
        person.edit(one!, { name: { said: `Flood ${at}` } }, { hlc: nextHlc(null, NOW - 400 + at), box: v7() }),
      );
    const unreadable = new PersonCipher(person.id, randomBytes(32)).seal('phone', '5');
    append(journal, { ...person.edit(one!, {}), changes: { phone: { value: unreadable, over: [] } } } as never);
    await pushed(one, journal);
    const shown = await read(person.id);
    expect(shown).toMatchObject({ name: 'Flood 0', phone: null, isOpen: true });
    expect(shown.lost.length).toBeLessThanOrEqual(64);
    await hub.numbered();
    const [record] = await hub.database.asOwner<{ body: { judged: object } }>(
      'SELECT body FROM feed_record WHERE key = $1 ORDER BY number DESC LIMIT 1',
      [person.id],
    );
    expect(Object.keys(record!.body.judged).length).toBeLessThanOrEqual(256);
  });
});

describe('keys of persons', () => {
  it('are given to boxes of the region that knows the person, sealed to each, and to no other', async () => {
    const person = new Person();
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'Near' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [], gone: [], erased: [] });
    expect(await offer(one, person)).toEqual({ taken: 1, erased: [] });
    expect(await wanted(two, [person.id, v7()])).toMatchObject({ keys: [person.key], gone: [], erased: [] });
    expect(await wanted(far, [person.id])).toMatchObject({ keys: [], gone: [person.id] });
    expect((await apiAt(hub.url, hub.admin.accessToken).get('/sync/v1/person-keys')).status).toBe(401);
    const other = await asBox(one).post('/sync/v1/person-keys', { sealed: sealPersonKeys([], one!.keys.sealingKey) });
    expect([other.status, other.data.code]).toEqual([400, 'invalid-field']);
  });

  it('stay what they were when another is offered, and are not taken of who was erased', async () => {
    const person = new Person();
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'Mine' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    await offer(one, person);
    const forged = Object.assign(new Person(), { id: person.id });
    await offer(two, forged);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [person.key] });
    expect((await hub.admin.api.post(`/v1/customers/${person.id}/erase`)).data.erased).toBe(true);
    expect(await offer(one, person)).toEqual({ taken: 0, erased: [person.id] });
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [], erased: [person.id] });
    append(journal, person.edit(one!, { name: { said: 'Back again' } }));
    await pushed(one, journal);
    expect(await read(person.id)).toMatchObject({ status: 410, code: 'customer-erased' });
  });

  it.each([
    ['before it has told anything', []],
    ['and told an edit under the id', [{ op: 'edit' }]],
  ] as const)('are those of the branch that made the person, not of one that offered first %s', async (_when, told) => {
    const person = new Person();
    const thief = Object.assign(new Person(), { id: person.id });
    const [theirs, journal] = [far!.newJournal(), one!.newJournal()];
    await offer(far, thief);
    for (const other of told) append(theirs, thief.edit(far!, { language: { said: 'en' } }, other));
    await pushed(far, theirs);
    append(journal, person.edit(one!, { name: { said: 'Own key' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [] });
    await offer(one, person);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [person.key] });
    expect(await read(person.id)).toMatchObject({ name: 'Own key' });
  });

  it.each(['lines', 'keys'])('are taken whether they or the lines come first: %s', async (first) => {
    const person = new Person();
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'In order' }, region: { said: 'R1' } }, { op: 'create' }));
    if (first === 'lines') await pushed(one, journal);
    await offer(one, person);
    if (first === 'keys') {
      expect(await wanted(one, [person.id])).toMatchObject({ keys: [], gone: [], erased: [] });
      await pushed(one, journal);
    }
    expect(await wanted(one, [person.id])).toMatchObject({ keys: [person.key] });
    expect(await read(person.id)).toMatchObject({ name: 'In order' });
  });

  it('that two branches made of one person are the first one’s; the other is held, and people are told', async () => {
    const person = new Person();
    const second = Object.assign(new Person(), { id: person.id });
    const made = { op: 'create' } as const;
    const [journal, theirs] = [one!.newJournal(), two!.newJournal()];
    append(journal, person.edit(one!, { name: { said: 'Twice made' }, region: { said: 'R1' } }, made));
    append(theirs, second.edit(two!, { note: { said: 'unreadable' }, region: { said: 'R1' } }, made));
    await pushed(one, journal);
    await pushed(two, theirs);
    await offer(two, second);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [] });
    await opened();
    const { data } = await hub.admin.api.get('/v1/incidents', { params: { code: 'person-key-disputed' } });
    expect(data.items).toContainEqual(
      expect.objectContaining({ branch: 'B002', detail: expect.stringContaining(person.id) }),
    );
    await offer(one, person);
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [person.key] });
    const held = 'SELECT branch_id AS branch FROM person_key_offer WHERE person = $1';
    expect(await hub.database.asOwner(held, [person.id])).toEqual([{ branch: two!.branch }]);
    expect((await hub.admin.api.post(`/v1/customers/${person.id}/erase`)).data.erased).toBe(true);
    expect(await hub.database.asOwner(held, [person.id])).toEqual([]);
  });

  it('that were taken in at one moment with their line are found at the next look', async () => {
    const person = new Person();
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'Crossed' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    await offer(one, person);
    // As two transactions leave it that did not see each other.
    await hub.database.asOwner(
      `WITH taken AS (DELETE FROM person_key WHERE person = $1 RETURNING tenant_id, person, wrapped)
       INSERT INTO person_key_offer SELECT tenant_id, person, $2, $3, wrapped, now() FROM taken`,
      [person.id, one!.branch, one!.box],
    );
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [] });
    await opened();
    await hub.hub.app.get(CustomerOpener).sweep();
    expect(await wanted(two, [person.id])).toMatchObject({ keys: [person.key] });
  });

  it('of persons of whom no line tells are held up to a number for each box, and there is room again when lines come', async () => {
    const { data } = await asBox(far).get<{ sealingKey: string }>('/sync/v1/person-keys');
    const offered = (persons: Person[]) =>
      asBox(far).post('/sync/v1/person-keys', {
        sealed: sealPersonKeys(
          persons.map(({ id: person, key }) => ({ person, key })),
          data.sealingKey,
        ),
      });
    await hub.database.asOwner('DELETE FROM person_key_offer WHERE box_id = $1', [far!.box]);
    const last = new Person();
    await hub.database.asOwner(
      `INSERT INTO person_key_offer SELECT tenant_id, gen_random_uuid(), branch_id, id, '\\x00', now()
       FROM box, generate_series(1, 19999) WHERE id = $1`,
      [far!.box],
    );
    expect((await offered([last])).status).toBe(200);
    const refused = await offered([new Person()]);
    expect([refused.status, refused.data.code, refused.headers['retry-after']]).toEqual([
      503,
      'person-keys-held',
      '30',
    ]);
    // Another box is not kept waiting by it.
    await offer(one, new Person());
    const journal = far!.newJournal();
    append(journal, last.edit(far!, { name: { said: 'Late' }, region: { said: 'R2' } }, { op: 'create' }));
    await pushed(far, journal);
    expect((await offered([new Person()])).status).toBe(200);
    expect(await wanted(far, [last.id])).toMatchObject({ keys: [last.key] });
  });

  it('are destroyed of all whom head office knew to be one person, when that person is erased', async () => {
    const persons = [new Person(), new Person(), new Person()];
    const journal = one!.newJournal();
    for (const person of persons)
      append(journal, person.edit(one!, { name: { said: 'Merged' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    await offer(one, ...persons);
    await opened();
    const [first, second, third] = persons.map(({ id }) => id);
    for (const [keep, drop] of [
      [second, first],
      [third, second],
    ])
      expect((await hub.admin.api.post('/v1/customers/merge', { keep, drop })).status).toBe(200);
    expect((await hub.admin.api.post(`/v1/customers/${third}/erase`)).data.erased).toBe(true);
    expect(await wanted(two, [first!, second!, third!])).toMatchObject({ keys: [], erased: expect.any(Array) });
    const ids = [[first, second, third]];
    const left = 'SELECT person FROM person_key WHERE wrapped IS NOT NULL AND person = ANY ($1::uuid[])';
    expect(await hub.database.asOwner(left, ids)).toEqual([]);
    expect(await hub.database.asOwner('SELECT id FROM customer_open WHERE id = ANY ($1::uuid[])', ids)).toEqual([]);
    const told = `SELECT key FROM outbox WHERE kind = 'erasure' AND key = ANY ($1::text[])
      UNION SELECT key FROM feed_record WHERE kind = 'erasure' AND key = ANY ($1::text[])`;
    expect(await hub.database.asOwner(told, ids)).toHaveLength(3);
  });

  it('of a person whose key never came can be destroyed before it comes', async () => {
    const person = new Person();
    const journal = one!.newJournal();
    append(journal, person.edit(one!, { name: { said: 'Early' }, region: { said: 'R1' } }, { op: 'create' }));
    await pushed(one, journal);
    expect((await hub.admin.api.post(`/v1/customers/${person.id}/erase`)).data.erased).toBe(true);
    expect(await offer(one, person)).toEqual({ taken: 0, erased: [person.id] });
    await opened();
    expect(await hub.database.asOwner('SELECT 1 FROM customer_open WHERE id = $1', [person.id])).toEqual([]);
  });
});

describe('customers and people of head office', () => {
  it('of one region see and change its customers only', async () => {
    const { data } = await hub.admin.api.post('/v1/people', {
      email: 'r2@acme.example',
      name: 'R2',
      grants: [{ role: 'area-manager', scope: 'region', id: 'R2' }],
    });
    const { api } = await hub.signIn('r2@acme.example', data.password);
    const near = await create<{ id: string }>(hub.admin.api, '/v1/customers', { name: 'In One', region: 'R1' });
    const own = await create<{ id: string }>(api, '/v1/customers', { name: 'In Two', region: 'R2' });
    expect((await api.get('/v1/customers?search=in ')).data.items).toMatchObject([{ id: own.id }]);
    expect((await api.get(`/v1/customers/${near.id}`)).status).toBe(404);
    expect((await api.patch(`/v1/customers/${near.id}`, { note: 'x' })).status).toBe(404);
    expect((await api.patch(`/v1/customers/${own.id}`, { region: 'R1' })).status).toBe(400);
    expect((await api.post('/v1/customers', { name: 'No', region: 'R1' })).status).toBe(400);
    expect((await api.post(`/v1/customers/${own.id}/erase`)).status).toBe(403);
    expect((await api.delete(`/v1/customers/${own.id}`)).status).toBe(204);
    expect((await hub.admin.api.get(`/v1/customers/${own.id}`)).status).toBe(404);
  });

  it('leaves what was done in the audit, by whom and to which fields, and no word of the person', async () => {
    const { id } = await create<{ id: string }>(hub.admin.api, '/v1/customers', { name: 'Audit Canary', region: 'R1' });
    await hub.admin.api.patch(`/v1/customers/${id}`, { email: 'audit.canary@example.org' });
    await hub.admin.api.post(`/v1/customers/${id}/erase`);
    const { data } = await hub.admin.api.get('/v1/audit?limit=500');
    const about = data.items.filter(({ subject }: { subject: string }) => subject === `customer:${id}`);
    expect(about.map(({ action }: { action: string }) => action).sort()).toEqual([
      'customer.create',
      'customer.edit',
      'customer.erase',
    ]);
    expect(JSON.stringify(about)).toContain('email');
    expect(JSON.stringify(data).toLowerCase()).not.toContain('canary');
  });

  it('finds them page by page in the order of names, also those of the same name', async () => {
    for (let at = 0; at < 5; at += 1) await create(hub.admin.api, '/v1/customers', { name: 'Page Twin', region: 'R1' });
    const names: string[] = [];
    const ids = new Set<string>();
    for (let after: string | null = ''; after !== null;) {
      const { data } = await hub.admin.api.get('/v1/customers', {
        params: { search: 'page t', limit: 2, ...(after !== '' && { after }) },
      });
      for (const { id, name } of data.items as { id: string; name: string }[]) {
        names.push(name);
        ids.add(id);
      }
      after = data.next as string | null;
    }
    expect([names.length, ids.size]).toEqual([5, 5]);
  });
});

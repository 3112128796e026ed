import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { CustomerEditBody } from '@branchline/replication/kinds/customer-edit.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { sealPersonKeys } from '@branchline/replication/person-keys.js';
import { v7 } from 'uuid';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import type { Verification } from '../src/verify/answer.js';
import type { Rebuilt } from '../src/verify/rebuild-branch.js';
import { apiAt, create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

/** Customers of a region with two stores: what lies in any table of them is proved against what was told of them. */
const clock = new ManualClock(Date.UTC(2026, 10, 20, 12));
let hub: HubHarness;
let [one, two, far]: TestBox[] = [];
/** Edited at both stores at once and by head office, erased, deleted, made by head office, without a key, ahead of time. */
let [shared, erased, deleted, ofOffice, sealed, ahead]: string[] = [];

const NAMES = ['Ann Canary', 'Anna Canary', 'Anne Canary', '+27 82 111 2222', 'Gone Canary', 'Office Canary'];

type Changes = Record<string, { said: string; over?: string[] }>;

class Person {
  readonly id = v7();
  readonly key = randomBytes(32);
  readonly cipher = new PersonCipher(this.id, this.key);

  edit(box: TestBox, changes: Changes, other: Partial<CustomerEditBody> = {}): CustomerEditBody {
    const told = Object.entries(changes).map(([field, { said, over = [] }]) => {
      const isPlain = field.startsWith('consent') || field === 'region';
      return [field, { value: isPlain ? said : this.cipher.seal(field, said), over }];
    });
    const hlc = nextHlc(null, clock.now());
    return { id: v7(), customer: this.id, op: 'edit', box: box.box, hlc, changes: Object.fromEntries(told), ...other };
  }
}

async function tell(box: TestBox | undefined, ...edits: CustomerEditBody[]): Promise<void> {
  clock.advance(10_000);
  const journal = box!.newJournal({ epoch: (epoch += 1) });
  for (const edit of edits) journal.append('customer-edit', edit.id, edit);
  const { status, data } = await box!.push(journal.push());
  expect([status, data.quarantined]).toEqual([200, []]);
}
let epoch = 1;

async function offer(box: TestBox | undefined, person: Person): Promise<void> {
  const api = apiAt(hub.url, box!.token);
  const { data } = await api.get<{ sealingKey: string }>('/sync/v1/person-keys');
  const sealedKeys = sealPersonKeys([{ person: person.id, key: person.key }], data.sealingKey);
  expect((await api.post('/sync/v1/person-keys', { sealed: sealedKeys })).status).toBe(200);
}

beforeAll(async () => {
  hub = await startHubHarness(clock);
  await createPlaces(hub.admin.api);
  await create(hub.admin.api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  for (const code of ['B001', 'B002']) await createBranch(hub.admin.api, code, { region: 'R1' });
  await createBranch(hub.admin.api, 'B003', { region: 'R2' });
  [one, two, far] = await Promise.all(
    ['B001', 'B002', 'B003'].map((code) => TestBox.enrol(hub.url, hub.admin.api, code)),
  );
  await makeShared();
  await makeErased();
  await makeOthers();
  await hub.hub.app.get(CustomerOpener).settled();
  await hub.numbered();
});
afterAll(() => hub.close());

async function makeShared(): Promise<void> {
  const person = new Person();
  shared = person.id;
  const first: Changes = {
    ...{ name: { said: NAMES[0]! }, phone: { said: NAMES[3]! }, consentSms: { said: 'granted' } },
    region: { said: 'R1' },
  };
  const made = person.edit(one!, first, { op: 'create' });
  await tell(one, made);
  await offer(one, person);
  await tell(one, person.edit(one!, { name: { said: NAMES[1]!, over: [made.id] } }));
  const beside = { name: { said: NAMES[2]!, over: [made.id] }, consentSms: { said: 'denied', over: [made.id] } };
  // A region that is another's: dropped as it came, and there for good among the edits.
  await tell(two, person.edit(two!, { ...beside, region: { said: 'R2', over: [made.id] } }));
  expect((await hub.admin.api.patch(`/v1/customers/${shared}`, { language: 'en' })).status).toBe(200);
  await tell(far, person.edit(far!, {}, { op: 'delete' }));
}

async function makeErased(): Promise<void> {
  const person = new Person();
  erased = person.id;
  await tell(one, person.edit(one!, { name: { said: NAMES[4]! }, region: { said: 'R1' } }, { op: 'create' }));
  await offer(one, person);
  await hub.hub.app.get(CustomerOpener).settled();
  clock.advance(1_000);
  expect((await hub.admin.api.post(`/v1/customers/${erased}/erase`)).status).toBeLessThan(300);
  await tell(two, person.edit(two!, { phone: { said: NAMES[3]! } }));
}

async function makeOthers(): Promise<void> {
  const [gone, late, future] = [new Person(), new Person(), new Person()];
  [deleted, sealed, ahead] = [gone.id, late.id, future.id];
  const first: Changes = { name: { said: NAMES[0]! }, region: { said: 'R1' } };
  await tell(one, gone.edit(one!, first, { op: 'create' }), late.edit(one!, first, { op: 'create' }));
  const inAYear = nextHlc(null, clock.now() + 31e9);
  await tell(one, future.edit(one!, first, { op: 'create', hlc: inAYear }));
  for (const person of [gone, future]) await offer(one, person);
  await hub.hub.app.get(CustomerOpener).settled();
  clock.advance(1_000);
  expect((await hub.admin.api.delete(`/v1/customers/${deleted}`)).status).toBeLessThan(300);
  const { data } = await hub.admin.api.post<{ id: string }>('/v1/customers', { name: NAMES[5], region: 'R1' });
  ofOffice = data.id;
}

async function verify(code = 'B001'): Promise<Verification> {
  const { status, data } = await hub.admin.api.post<Verification>(`/v1/fleet/${code}/verify`);
  expect(status).toBe(200);
  return data;
}

async function repair(code = 'B001'): Promise<Rebuilt> {
  const { status, data } = await hub.admin.api.post<Rebuilt>(`/v1/fleet/${code}/repair`);
  expect(status).toBe(200);
  await hub.hub.app.get(CustomerOpener).settled();
  await hub.numbered();
  return data;
}

const tamper = (sql: string, ...params: unknown[]) => hub.database.asOwner(sql, params);

/** All that is kept of customers, but for when. */
const kept = () =>
  tamper(`SELECT to_jsonb(c) - 'changed_at' - 'deleted_at' AS row, c.deleted_at IS NOT NULL AS gone, to_jsonb(o) AS open, k.wrapped, k.erased_at
    FROM customer c LEFT JOIN customer_open o ON o.id = c.id LEFT JOIN person_key k ON k.person = c.id ORDER BY c.id`);

describe('customers', () => {
  it('are proved with the branch that told of them: edited at once, erased, deleted, sealed, ahead of time', async () => {
    for (const code of ['B001', 'B002', 'B003']) expect((await verify(code)).differences).toEqual([]);
    expect((await repair()).count).toBe(0);
  });

  let before: Awaited<ReturnType<typeof kept>>;
  beforeEach(async () => (before = await kept()));

  const SET_STATE = 'UPDATE customer SET state = jsonb_set(state, $2, $3) WHERE id = $1';
  const CASES: [string, () => Promise<unknown>, string, RegExp][] = [
    [
      'a flipped bit in a name in clear',
      () => tamper(`UPDATE customer_open SET name = 'Anne Canasy' WHERE id = $1`, shared),
      'altered-row',
      /field name in customer_open is [0-9a-f]{16}, its edits come to [0-9a-f]{16}$/,
    ],
    [
      'a name in clear that is found by another',
      () => tamper(`UPDATE customer_open SET name_key = 'eve' WHERE id = $1`, shared),
      'altered-row',
      /field nameKey in customer_open/,
    ],
    [
      'a missing row in clear',
      () => tamper('DELETE FROM customer_open WHERE id = $1', shared),
      'missing-row',
      /has no row in customer_open/,
    ],
    [
      'a row in clear of no customer',
      () =>
        tamper(
          `INSERT INTO customer_open SELECT tenant_id, gen_random_uuid(), name FROM customer_open WHERE id = $1`,
          shared,
        ),
      'extra-row',
      /customer_open has 1 rows of no customer/,
    ],
    [
      'a row in clear of one who was erased',
      () =>
        tamper(`INSERT INTO customer_open SELECT tenant_id, $2, name FROM customer_open WHERE id = $1`, shared, erased),
      'extra-row',
      /who was erased, has a row in customer_open/,
    ],
    [
      'a row in clear of one whose key has not come',
      () =>
        tamper(`INSERT INTO customer_open SELECT tenant_id, $2, name FROM customer_open WHERE id = $1`, shared, sealed),
      'extra-row',
      /whose key is not here, has a row in customer_open/,
    ],
    [
      'one that is called open and is not',
      () => tamper('UPDATE customer SET opened = true WHERE id = $1', sealed),
      'altered-row',
      /whose key is not here, is called open/,
    ],
    [
      'what stands in a field',
      () => tamper(SET_STATE, shared, '{fields,name,live,0,value}', '"p1.AAAA"'),
      'altered-row',
      /field name is [0-9a-f]{16}, its edits come to/,
    ],
    [
      'what lost, taken away',
      () => tamper(`UPDATE customer SET state = state #- '{fields,name,live,0}' WHERE id = $1`, shared),
      'altered-row',
      /field name is/,
    ],
    [
      'a consent that was never given',
      () => tamper(SET_STATE, shared, '{fields,consentSms,live,0,value}', '"granted"'),
      'altered-row',
      /field consentSms is/,
    ],
    [
      'a field that nobody wrote',
      () => tamper(SET_STATE, shared, '{fields,note}', '{"live": [], "past": []}'),
      'altered-row',
      /field note is [0-9a-f]{16}, its edits come to [0-9a-f]{16}/,
    ],
    [
      'a region that was dropped as it came',
      async () => {
        const [edit] = (await tamper(
          `SELECT id, box, hlc FROM customer_edit WHERE customer_id = $1 AND changes -> 'region' ->> 'value' = 'R2'`,
          shared,
        )) as { id: string; box: string; hlc: string }[];
        const live = [{ edit: edit!.id, value: 'R2', hlc: edit!.hlc, box: edit!.box }];
        await tamper(SET_STATE, shared, '{fields,region,live}', JSON.stringify(live));
        await tamper(`UPDATE customer SET region = 'R2' WHERE id = $1`, shared);
      },
      'altered-row',
      /field region is/,
    ],
    [
      'a region that its state does not say',
      () => tamper(`UPDATE customer SET region = 'R2' WHERE id = $1`, shared),
      'altered-row',
      /region is R2, its edits come to R1/,
    ],
    [
      'how far a box was judged',
      () => tamper(SET_STATE, shared, `{judged,${one!.box}}`, '"ffffffffffff-ffff"'),
      'altered-row',
      /judged is/,
    ],
    [
      'a clock that was held back',
      () => tamper(SET_STATE, ahead, '{fields,name,live,0,hlc}', '"fffffffffff0-ffff"'),
      'altered-row',
      /field name is/,
    ],
    [
      'one who comes back from deletion',
      () =>
        tamper(
          `UPDATE customer SET deleted_at = NULL, state = jsonb_set(state, '{deleted}', 'null') WHERE id = $1`,
          deleted,
        ),
      'altered-row',
      /deleted is/,
    ],
    [
      'one who is called deleted',
      () => tamper('UPDATE customer SET deleted_at = now() WHERE id = $1', shared),
      'altered-row',
      /is deleted, and no edit says so/,
    ],
    [
      'one whom another is said to have made',
      () => tamper('UPDATE customer SET made_by = $2 WHERE id = $1', shared, v7()),
      'altered-row',
      /made_by is/,
    ],
    [
      'a state that is none',
      () => tamper(`UPDATE customer SET state = '[]' WHERE id = $1`, shared),
      'altered-row',
      /is none/,
    ],
    ['a missing row', () => tamper('DELETE FROM customer WHERE id = $1', shared), 'missing-row', /no row in customer/],
    [
      'an invented customer',
      () =>
        tamper(
          `INSERT INTO customer SELECT tenant_id, gen_random_uuid(), state, region, deleted_at, merged_into, erased_at, opened, changed_at FROM customer WHERE id = $1`,
          sealed,
        ),
      'extra-row',
      /no edit leads to it/,
    ],
    [
      'one that head office made, altered',
      () => tamper(SET_STATE, ofOffice, '{fields,name,live,0,value}', '"p1.AAAA"'),
      'altered-row',
      /field name is/,
    ],
    [
      'one who was erased and is called there',
      () => tamper('UPDATE customer SET erased_at = NULL WHERE id = $1', erased),
      'altered-row',
      /was erased, and its row does not say so/,
    ],
    [
      'one who was erased, whose key is back',
      () =>
        tamper(
          `UPDATE person_key k SET wrapped = o.wrapped, erased_at = NULL, scrubbed_at = NULL FROM person_key o WHERE k.person = $1 AND o.person = $2`,
          erased,
          shared,
        ),
      'altered-row',
      /was erased, and its key is there/,
    ],
    [
      'one who was erased, whose retired key is back',
      () =>
        tamper(
          `INSERT INTO person_key_retired (tenant_id, person, wrapped, decided_by) SELECT tenant_id, $1, wrapped, gen_random_uuid() FROM person_key WHERE person = $2`,
          erased,
          shared,
        ),
      'altered-row',
      /was erased, and its key is there/,
    ],
    [
      'one who was erased, of whom something is said again',
      () =>
        tamper(
          SET_STATE,
          erased,
          '{fields,name}',
          '{"live": [{"edit": "e", "value": "p1.AAAA", "hlc": "h", "box": "b"}], "past": []}',
        ),
      'altered-row',
      /which no edit says/,
    ],
    [
      'one who is called erased',
      () => tamper('UPDATE customer SET erased_at = now() WHERE id = $1', ahead),
      'altered-row',
      /is called erased, and its key is there/,
    ],
  ];

  it.each(CASES)('differ, are named by field and hash, and are made anew: %s', async (_what, work, what, detail) => {
    await work();
    const found = await verify();
    expect(found.outcome).toBe('differs');
    expect(found.differences).toContainEqual({ what, detail: expect.stringMatching(detail) });
    const { corrected } = await repair();
    expect(corrected).toContainEqual({
      what,
      detail: expect.stringMatching(what === 'extra-row' ? /row|leads/ : detail),
    });
    expect((await verify()).differences).toEqual([]);
    const reset = (rows: typeof before): unknown =>
      JSON.parse(JSON.stringify(rows, (name, value: unknown) => (name === 'erased_at' ? value !== null : value)));
    expect(reset(await kept())).toEqual(reset(before));
    for (const name of NAMES) expect(JSON.stringify([found, corrected])).not.toContain(name);
  });

  it('are not deleted by a repair where the word is lost that a delete of another region is withheld', async () => {
    await tamper('DELETE FROM customer_edit_withheld');
    const told = { what: 'missing-row', detail: expect.stringMatching(/customer_edit_withheld d[oi][a-z]* not say/) };
    expect((await verify('B003')).differences).toEqual([told]);
    expect((await repair('B001')).count).toBe(0);
    expect((await repair('B003')).corrected).toEqual([told]);
    expect(await kept()).toEqual(before);
    expect((await verify('B003')).differences).toEqual([]);
  });

  it('are told to the stores again when their row was mended', async () => {
    const newest = () =>
      tamper(
        `SELECT r.number, r.body FROM feed_latest l JOIN feed_record r ON r.scope = l.scope AND r.number = l.number WHERE l.scope = 'region:R1' AND l.key = $1`,
        shared,
      ) as Promise<{ number: string; body: unknown }[]>;
    const [told] = await newest();
    await tamper(SET_STATE, shared, '{fields,name,live,0,value}', '"p1.AAAA"');
    await repair();
    const [again] = await newest();
    expect(Number(again!.number)).toBeGreaterThan(Number(told!.number));
    expect(again!.body).toEqual(told!.body);
  });

  it('are all made anew when every row of theirs is gone', async () => {
    for (const table of ['customer', 'customer_open', 'customer_edit']) await tamper(`DELETE FROM ${table}`);
    for (const code of ['B003', 'B001', 'B002', 'B001']) await repair(code);
    for (const code of ['B001', 'B002']) expect((await verify(code)).differences).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { auditHash, type AuditEntry } from '../src/audit/audit-chain.js';
import { recordAudit } from '../src/audit/record-audit.js';
import { verifyAudit, type AuditVerdict } from '../src/audit/verify-audit.js';
import { raiseIncident, type NewIncident } from '../src/incidents/raise-incident.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';

let harness: HubHarness;
let b001: string;
let b002: string;
/** Answers for region R2 only, in which B002 is. */
let area: Awaited<ReturnType<HubHarness['signIn']>>;
let tenants = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  const { api } = harness.admin;
  await createPlaces(api);
  await create(api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  b001 = (await createBranch(api, 'B001')).id;
  b002 = (await createBranch(api, 'B002', { region: 'R2' })).id;
  area = await newPerson('area@acme.example', { role: 'area-manager', scope: 'region', id: 'R2' });
});
afterAll(() => harness.close());

async function newPerson(email: string, ...grants: unknown[]): Promise<Awaited<ReturnType<HubHarness['signIn']>>> {
  const { password } = await create<{ password: string }>(harness.admin.api, '/v1/people', {
    email,
    name: 'Person',
    grants,
  });
  return harness.signIn(email, password);
}

const raise = (incident: Partial<NewIncident>, nowMs = Date.now()): Promise<void> =>
  harness.database.transaction(harness.admin.tenantId, (tx) =>
    raiseIncident(
      tx,
      { branchId: b001, code: 'test-fork', key: 'x', detail: 'two', ...incident },
      { nowMs, newId: v7 },
    ),
  );

async function incidents(api = harness.admin.api, params: Record<string, unknown> = {}): Promise<Incident[]> {
  const { status, data } = await api.get('/v1/incidents', { params });
  expect(status).toBe(200);
  return data.items;
}
type Incident = { id: string; branch: string | null; key: string; count: number; detail: string; closedBy: string };

describe('incidents', () => {
  it('are one for a branch, a code and a key, however often they are raised', async () => {
    await raise({ key: 'a', detail: 'first' });
    await raise({ key: 'a', detail: 'second' });
    await raise({ key: 'a', branchId: b002 });
    await raise({ key: 'a', branchId: null });
    await raise({ key: 'a', branchId: null });
    const all = (await incidents()).filter(({ key }) => key === 'a');
    expect(all.map(({ branch, count }) => [branch, count])).toEqual([
      ['B001', 2],
      ['B002', 1],
      [null, 2],
    ]);
    expect(all[0]?.detail).toBe('second');
  });

  it('are raised once by many at the same time', async () => {
    await Promise.all(Array.from({ length: 20 }, () => raise({ key: 'many' })));
    const many = (await incidents()).filter(({ key }) => key === 'many');
    expect(many.map(({ count }) => count)).toEqual([20]);
  });

  it('are closed once, with a note, and raised anew after that', async () => {
    await raise({ key: 'closed' });
    const [open] = (await incidents()).filter(({ key }) => key === 'closed');
    const path = `/v1/incidents/${open?.id}/close`;
    expect((await harness.admin.api.post(path, {})).status).toBe(400);
    const closed = await harness.admin.api.post(path, { note: 'looked at the box' });
    expect([closed.status, closed.data.note]).toEqual([200, 'looked at the box']);
    expect((await harness.admin.api.post(path, { note: 'looked at the box' })).data).toEqual(closed.data);
    const other = await harness.admin.api.post(path, { note: 'another' });
    expect([other.status, other.data.code]).toEqual([409, 'already-settled']);
    expect((await incidents()).map(({ key }) => key)).not.toContain('closed');
    await raise({ key: 'closed', detail: 'again' });
    const all = await incidents(harness.admin.api, { state: 'all', code: 'test-fork', limit: 500 });
    expect(all.filter(({ key }) => key === 'closed').map(({ count }) => count)).toEqual([1, 1]);
    const told = await harness.admin.api.get('/v1/audit', { params: { action: 'incident.close' } });
    expect(told.data.items).toEqual([
      expect.objectContaining({ subject: `incident:${open?.id}`, branch: 'B001', actorName: harness.admin.email }),
    ]);
  });

  it('are seen and closed only where the asker may', async () => {
    await raise({ key: 'there', branchId: b002 });
    await raise({ key: 'here' });
    await raise({ key: 'chain', branchId: null });
    const seen = (await incidents(area.api)).map(({ branch }) => branch);
    expect(new Set(seen)).toEqual(new Set(['B002']));
    expect((await area.api.get('/v1/incidents', { params: { branch: 'B001' } })).status).toBe(404);
    for (const key of ['here', 'chain']) {
      const [foreign] = (await incidents()).filter((incident) => incident.key === key);
      const answer = await area.api.post(`/v1/incidents/${foreign?.id}/close`, { note: 'mine' });
      expect([key, answer.status]).toEqual([key, 404]);
    }
    const auditor = await newPerson('auditor@acme.example', { role: 'auditor', scope: 'tenant' });
    const [own] = await incidents(auditor.api);
    expect((await auditor.api.post(`/v1/incidents/${own?.id}/close`, { note: 'no' })).status).toBe(403);
  });

  it('are listed in pages, each once', async () => {
    for (let at = 0; at < 5; at += 1) await raise({ key: `page ${at}`, code: 'test-page' }, 1_000 * (at % 2));
    const keys: string[] = [];
    let after: string | undefined;
    do {
      const { data } = await harness.admin.api.get('/v1/incidents', { params: { code: 'test-page', limit: 2, after } });
      keys.push(...data.items.map(({ key }: Incident) => key));
      after = data.next ?? undefined;
    } while (after !== undefined);
    expect(keys).toHaveLength(5);
    expect(new Set(keys).size).toBe(5);
  });

  it('are a figure for the scraper, by their code', async () => {
    await raise({ key: 'scraped', code: 'test-figure' });
    const read = async () => (await harness.anonymous.get<string>('/metrics')).data;
    expect(await read()).toContain('branchline_incidents_open{code="test-figure"} 1');
    const [open] = await incidents(harness.admin.api, { code: 'test-figure' });
    await harness.admin.api.post(`/v1/incidents/${open?.id}/close`, { note: 'done' });
    expect(await read()).not.toContain('test-figure');
  });
});

describe('the audit', () => {
  it('tells who did what, when and where, newest first', async () => {
    const from = new Date(Date.now() - 1).toISOString();
    await create(area.api, '/v1/branches/B002/staff', { operator: 'zoe', name: 'Zoe', role: 'cashier', pin: '1234' });
    await area.api.patch('/v1/branches/B002/staff/zoe', { pin: '9876' });
    const { data } = await harness.admin.api.get('/v1/audit', { params: { actor: 'area@acme.example', from } });
    expect(data.items.map((item: Record<string, unknown>) => [item['action'], item['branch'], item['detail']])).toEqual(
      [
        ['staff.change', 'B002', { operator: 'zoe', changed: ['pin'] }],
        ['staff.create', 'B002', { operator: 'zoe', role: 'cashier' }],
      ],
    );
    expect(JSON.stringify(data.items)).not.toContain('9876');
    const late = await harness.admin.api.get('/v1/audit', { params: { from: '2999-01-01T00:00:00Z' } });
    expect(late.data.items).toEqual([]);
  });

  it('shows of each branch only what the asker may read there', async () => {
    const reader = await newPerson('reader@acme.example', { role: 'auditor', scope: 'branch', id: 'B002' });
    const { data } = await reader.api.get('/v1/audit', { params: { limit: 500 } });
    expect(new Set(data.items.map(({ branch }: { branch: string }) => branch))).toEqual(new Set(['B002']));
    expect((await reader.api.get('/v1/audit', { params: { branch: 'B001' } })).status).toBe(404);
    expect((await reader.api.post('/v1/audit/verify', {})).status).toBe(403);
    expect((await area.api.get('/v1/audit')).status).toBe(403);
  });

  it('is a record of the act or the act did not happen', async () => {
    const before = (await harness.admin.api.get('/v1/audit', { params: { limit: 1 } })).data.items[0].seq;
    const twice = { code: 'B001', name: 'x', region: 'R1', priceZone: 'Z1', assortment: 'A1' };
    const settings = { timeZone: 'Africa/Johannesburg', currency: 'ZAR', cutOff: '04:00', taxRounding: 'line' };
    expect((await harness.admin.api.post('/v1/branches', { ...twice, ...settings })).status).toBe(409);
    expect((await harness.admin.api.get('/v1/audit', { params: { limit: 1 } })).data.items[0].seq).toBe(before);
  });

  it('is one chain, also when many act at once', async () => {
    const chain = await newChain(0);
    await Promise.all(Array.from({ length: 20 }, (_, at) => chain.act(`at ${at}`)));
    expect(await chain.verify()).toMatchObject({ entries: 20, differs: null });
  });

  it('is verified over the API, also against a head that was noted elsewhere', async () => {
    const { data } = await harness.admin.api.post('/v1/audit/verify', {});
    expect(data).toMatchObject({ differs: null, head: { seq: data.entries } });
    const noted = data.head;
    await raise({ key: 'noted' });
    expect((await harness.admin.api.post('/v1/audit/verify', { head: noted })).data.differs).toBeNull();
    const other = { ...noted, hash: '0'.repeat(64) };
    const { data: found } = await harness.admin.api.post('/v1/audit/verify', { head: other });
    expect(found.differs).toEqual({ seq: noted.seq, what: 'rewritten' });
  });

  it('cannot be changed by the hub’s own role', async () => {
    for (const sql of ['UPDATE audit_entry SET subject = $$x$$', 'DELETE FROM audit_entry', 'DELETE FROM audit_head']) {
      const attempt = harness.database.transaction(harness.admin.tenantId, (tx) => tx.execute(sql));
      await expect(attempt).rejects.toThrow('permission denied');
    }
  });
});

/** A tenant of its own with an audit of so many entries, and what its owner may do to the tables behind the hub's back. */
async function newChain(entries: number) {
  tenants += 1;
  const tenant: Signed = await harness.newTenant(`AUDIT${tenants}`);
  const act = (subject: string): Promise<void> =>
    harness.database.transaction(tenant.tenantId, (tx) =>
      recordAudit(
        tx,
        { actor: 'hub', action: 'test', subject, branchId: null, detail: { at: 1, none: undefined } },
        {
          nowMs: 1_750_000_000_000 + entries,
          newId: v7,
        },
      ),
    );
  for (let at = 1; at <= entries; at += 1) await act(`act ${at}`);
  const tamper = (sql: string): Promise<unknown> => harness.database.asOwner(sql, [tenant.tenantId]);
  const verify = (): Promise<AuditVerdict> => harness.database.transaction(tenant.tenantId, (tx) => verifyAudit(tx));
  const secondAndThird = () =>
    harness.database.transaction(tenant.tenantId, (tx) =>
      tx.query<AuditEntry & { at: Date; hash: Buffer }>(
        'SELECT *, branch_id AS "branchId" FROM audit_entry WHERE seq IN (2, 3) ORDER BY seq',
      ),
    );
  return { tenant, act, tamper, verify, secondAndThird };
}

describe('a chain that was tampered with', () => {
  it.each([
    [
      'an edit',
      `UPDATE audit_entry SET subject = 'else' WHERE tenant_id = $1 AND seq = 3`,
      { seq: 3, what: 'altered' },
    ],
    [
      'an edit of the detail',
      `UPDATE audit_entry SET detail = '{"at": 2}' WHERE tenant_id = $1 AND seq = 3`,
      { seq: 3, what: 'altered' },
    ],
    [
      'an edit of the time',
      `UPDATE audit_entry SET at = at + interval '1 s' WHERE tenant_id = $1 AND seq = 3`,
      { seq: 3, what: 'altered' },
    ],
    ['a deletion', 'DELETE FROM audit_entry WHERE tenant_id = $1 AND seq = 3', { seq: 3, what: 'missing' }],
    [
      'a deletion with the rest moved up',
      `WITH gone AS (DELETE FROM audit_entry WHERE tenant_id = $1 AND seq IN (3, 4, 5) RETURNING *)
       INSERT INTO audit_entry SELECT tenant_id, seq - 1, id, at, actor, action, subject, branch_id, detail, hash FROM gone WHERE seq > 3`,
      { seq: 3, what: 'altered' },
    ],
    [
      'two entries exchanged',
      `UPDATE audit_entry e SET id = o.id, at = o.at, subject = o.subject, hash = o.hash FROM audit_entry o
       WHERE e.tenant_id = $1 AND o.tenant_id = $1 AND e.seq IN (2, 3) AND o.seq = 5 - e.seq`,
      { seq: 2, what: 'altered' },
    ],
    ['a cut tail', 'DELETE FROM audit_entry WHERE tenant_id = $1 AND seq > 3', { seq: 4, what: 'missing' }],
    ['all of it gone', 'DELETE FROM audit_entry WHERE tenant_id = $1', { seq: 1, what: 'missing' }],
    [
      'an entry put behind the head',
      `INSERT INTO audit_entry SELECT tenant_id, 6, id, at, actor, action, subject, branch_id, detail, hash FROM audit_entry
       WHERE tenant_id = $1 AND seq = 5`,
      { seq: 6, what: 'altered' },
    ],
    ['a head moved back', 'UPDATE audit_head SET seq = 4 WHERE tenant_id = $1', { seq: 5, what: 'beyond-head' }],
    [
      'another head',
      `UPDATE audit_head SET hash = decode(repeat('00', 32), 'hex') WHERE tenant_id = $1`,
      { seq: 5, what: 'head' },
    ],
  ])('shows %s', async (_what, sql, differs) => {
    const chain = await newChain(5);
    expect(await chain.verify()).toMatchObject({ entries: 5, differs: null });
    await chain.tamper(sql);
    expect((await chain.verify()).differs).toEqual(differs);
  });

  it('shows an edit whose own hash was made anew: the entries after it do not follow', async () => {
    const chain = await newChain(5);
    const [second, third] = await chain.secondAndThird();
    if (!second || !third) throw new Error('there are five');
    const hash = auditHash(second.hash, { ...third, atMs: third.at.getTime(), subject: 'else' });
    await chain.tamper(
      `UPDATE audit_entry SET subject = 'else', hash = '\\x${hash.toString('hex')}' WHERE tenant_id = $1 AND seq = 3`,
    );
    expect((await chain.verify()).differs).toEqual({ seq: 4, what: 'altered' });
  });

  it('that was cut with its head shows it only against a head noted elsewhere', async () => {
    const chain = await newChain(5);
    const { head } = await chain.verify();
    await chain.tamper('DELETE FROM audit_entry WHERE tenant_id = $1 AND seq > 3');
    await chain.tamper(`UPDATE audit_head h SET seq = 3, hash = e.hash FROM audit_entry e
      WHERE h.tenant_id = $1 AND e.tenant_id = h.tenant_id AND e.seq = 3`);
    expect((await chain.verify()).differs).toBeNull();
    const { data } = await chain.tenant.api.post('/v1/audit/verify', { head });
    expect(data.differs).toEqual({ seq: 4, what: 'missing' });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { certificateHolds } from '@branchline/replication/box-certificate.js';
import { helloAnswerSchema } from '@branchline/replication/box-protocol.js';
import { headIsSigned } from '@branchline/replication/head-signature.js';
import { decodePush } from '@branchline/replication/push.js';
import type { AxiosResponse } from 'axios';
import { v7 } from 'uuid';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { apiAtSync, TestBox } from './test-box.js';

const clock = new ManualClock(Date.now());
let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness(clock);
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBranch(): Promise<string> {
  branches += 1;
  const code = `B${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return code;
}

const enrol = (branch: string): Promise<TestBox> => TestBox.enrol(harness.url, harness.admin.api, branch);

function trading(box: TestBox, sales: number, options: Parameters<TestBox['newJournal']>[0] = {}): JournalBuilder {
  const journal = box.newJournal(options);
  for (let sale = 0; sale < sales; sale += 1) journal.sale();
  return journal;
}

const linesOf = (box: TestBox, incarnation: string, from: number | string): Promise<AxiosResponse<Buffer>> =>
  apiAtSync(harness.url).get('/sync/v1/lines', {
    params: { incarnation, from },
    responseType: 'arraybuffer',
    headers: { authorization: `Bearer ${box.token}` },
  });

type Incident = { code: string; branch: string | null; key: string; detail: string; count: number };

async function incidents(code: string): Promise<Incident[]> {
  const { data } = await harness.admin.api.get<{ items: Incident[] }>('/v1/incidents?limit=100');
  return data.items.filter((incident) => incident.code === code);
}

describe('epochs of a branch', () => {
  it('stay within reach, whatever a box names: the next box of the branch goes on above them', async () => {
    const branch = await newBranch();
    const box = await enrol(branch);
    for (const epoch of [2_147_483_647, 999_999_999]) {
      const { status, data } = await box.push(trading(box, 1, { epoch }).push());
      expect([status, data.code]).toEqual([400, 'malformed-push']);
    }
    expect((await box.push(trading(box, 1, { epoch: box.epoch + 1_001 }).push())).status).toBe(200);
    expect((await enrol(branch)).epoch).toBe(box.epoch + 1_002);
  });
});

describe('cursors of a hello', () => {
  it('are one for each scope: a thousand of one would be a thousand questions', async () => {
    const box = await enrol(await newBranch());
    const cursor = { scope: 'tenant', hubEpoch: null, number: 0, hash: '0'.repeat(64) };
    expect((await box.hello({ cursors: [cursor] })).status).toBe(200);
    const { status, data } = await box.hello({ cursors: [cursor, { ...cursor, number: 1 }] });
    expect([status, data.code]).toEqual([400, 'invalid-field']);
  });
});

describe('the lines of a branch', () => {
  it('come back as they went, to another box of the branch too, page by page, each to a head that their box signed', async () => {
    const branch = await newBranch();
    const box = await enrol(branch);
    const journal = trading(box, 9);
    for (const [from, to] of [
      [1, 4],
      [5, 5],
      [6, 10],
    ] as const)
      expect((await box.push(journal.push(from, to))).status).toBe(200);
    const replacement = await enrol(branch);
    for (const from of [1, 3, 5, 10]) {
      const { status, data } = await linesOf(replacement, journal.incarnation, from);
      expect(status).toBe(200);
      const { header, lines } = decodePush(data);
      expect(lines.map(({ bytes }) => bytes.toString())).toEqual(
        journal.lines.slice(from - 1).map((line) => line.toString()),
      );
      expect(header).toMatchObject({ fromSeq: from, count: 11 - from, previousHash: journal.hashAt(from - 1) });
      const head = { tenant: box.tenant, branch: box.branch, incarnation: journal.incarnation, seq: 10 };
      expect(headIsSigned({ ...head, hash: header.headHash }, header.signature, box.keys.signingKey)).toBe(true);
    }
  });

  it('end a page with the push that fills it', async () => {
    const box = await enrol(await newBranch());
    const journal = trading(box, 1_200);
    await box.push(journal.push(1, 700));
    await box.push(journal.push(701, 1_100));
    await box.push(journal.push(1_101, 1_201));
    const first = decodePush((await linesOf(box, journal.incarnation, 1)).data).header;
    expect(first.count).toBe(700);
    const next = decodePush((await linesOf(box, journal.incarnation, 701)).data).header;
    expect(next.count).toBe(501);
  });

  it('are nobody else’s, and none are invented', async () => {
    const box = await enrol(await newBranch());
    const journal = trading(box, 2);
    await box.push(journal.push());
    const stranger = await enrol(await newBranch());
    const asked = [
      linesOf(stranger, journal.incarnation, 1),
      linesOf(box, v7(), 1),
      linesOf(box, journal.incarnation, 4),
      linesOf(box, journal.incarnation, '0'),
      linesOf(box, 'no-uuid', 1),
    ];
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 400, 400]);
    const anonymous = await apiAtSync(harness.url).get(`/sync/v1/lines?incarnation=${journal.incarnation}&from=1`);
    expect(anonymous.status).toBe(401);
  });
});

describe('hello', () => {
  it('names the histories that a box lacks, with keys that the hub has certified', async () => {
    const branch = await newBranch();
    const old = await enrol(branch);
    const [whole, longer] = [trading(old, 2), trading(old, 3, { epoch: 2 })];
    for (const journal of [whole, longer]) await old.push(journal.push());
    const box = await enrol(branch);
    const named = [
      { incarnation: whole.incarnation, seq: whole.seq, hash: whole.headHash },
      { incarnation: longer.incarnation, seq: 2, hash: longer.hashAt(2) },
    ];
    const answer = helloAnswerSchema.parse((await box.hello({ incarnations: named })).data);
    expect(answer.histories).toEqual([
      expect.objectContaining({ incarnation: longer.incarnation, appliedSeq: 4, headHash: longer.headHash, epoch: 2 }),
    ]);
    const all = helloAnswerSchema.parse((await box.hello()).data);
    expect(all.histories?.map(({ incarnation }) => incarnation).sort()).toEqual(
      [whole.incarnation, longer.incarnation].sort(),
    );
    for (const history of all.histories ?? []) {
      const { signingKey, sealingKey } = history;
      const certified = { tenant: old.tenant, branch: old.branch, box: old.box, signingKey, sealingKey };
      expect(certificateHolds(history.certificate, certified, String(all.certifyingKey))).toBe(true);
      expect(certificateHolds(history.certificate, { ...certified, box: box.box }, String(all.certifyingKey))).toBe(
        false,
      );
    }
  });

  it('tells the highest epoch of the branch, above which a replacement begins', async () => {
    const branch = await newBranch();
    const old = await enrol(branch);
    await old.push(trading(old, 1, { epoch: 7 }).push());
    const box = await enrol(branch);
    expect(box.epoch).toBe(8);
    expect(helloAnswerSchema.parse((await old.hello()).data).epoch).toBe(8);
    expect(helloAnswerSchema.parse((await box.hello()).data).epoch).toBe(7);
  });

  describe('that outlives what the hub had', () => {
    /** Of a history with four lines that the hub acknowledged, a scope with a number, and a hello that says so. */
    async function met() {
      const box = await enrol(await newBranch());
      const journal = trading(box, 3);
      await box.push(journal.push());
      await create(harness.admin.api, '/v1/tax-classes', { code: v7().slice(24).toUpperCase(), components: [] });
      await harness.numbered();
      const { data: page } = await box.feed('tenant');
      const { number, hash } = page.records.at(-1) as { number: number; hash: string };
      const said = (hubEpoch: string | null, more: { appliedSeq?: number; number?: number; memory?: string } = {}) => ({
        incarnations: [
          { incarnation: journal.incarnation, seq: 4, hash: journal.headHash, appliedSeq: more.appliedSeq ?? 4 },
        ],
        cursors: [{ scope: 'tenant', hubEpoch, number: more.number ?? number, hash }],
        hubEpoch,
        ...(more.memory !== undefined && { memory: more.memory }),
      });
      const hello = async (request: object = {}) => helloAnswerSchema.parse((await box.hello(request as never)).data);
      const { hubEpoch } = await hello();
      const { memory = '' } = await hello(said(hubEpoch));
      return { box, journal, number, said, hello, hubEpoch, memory };
    }
    type Met = Awaited<ReturnType<typeof met>>;
    const setBack = (incarnation: string) =>
      harness.database.asOwner('UPDATE incarnation SET applied_seq = 2 WHERE incarnation = $1', [incarnation]);

    it('begins a new epoch of the hub when it shows the hub’s own word for lines, and tells people', async () => {
      const { journal, said, hello, hubEpoch, memory } = await met();
      expect((await hello(said(hubEpoch, { memory }))).hubEpoch).toBe(hubEpoch);
      await setBack(journal.incarnation);
      const renewed = await hello(said(hubEpoch, { memory }));
      expect(renewed.hubEpoch).not.toBe(hubEpoch);
      // Of the epoch before nothing follows any more, however often it is shown.
      expect((await hello(said(renewed.hubEpoch, { memory }))).hubEpoch).toBe(renewed.hubEpoch);
      expect((await hello(said(renewed.hubEpoch, { memory: renewed.memory }))).hubEpoch).toBe(renewed.hubEpoch);
      expect(await incidents('hub-behind-edge')).toContainEqual(
        expect.objectContaining({ branch: null, key: hubEpoch, detail: expect.stringContaining('lines 3 to 4') }),
      );
    });

    it('begins one when it shows the hub’s own word for a number of the feed', async () => {
      const { box, number, said, hello, hubEpoch, memory } = await met();
      const shown = { cursors: said(hubEpoch).cursors, memory };
      await harness.database.asOwner(
        `UPDATE feed_head SET newest = newest - 1 WHERE tenant_id = $1 AND scope = 'tenant'`,
        [box.tenant],
      );
      expect((await hello(shown)).hubEpoch).not.toBe(hubEpoch);
      await harness.database.asOwner(`UPDATE feed_head SET newest = $2 WHERE tenant_id = $1 AND scope = 'tenant'`, [
        box.tenant,
        number,
      ]);
    });

    it.each<[string, (all: Met) => Promise<{ memory?: string }>]>([
      ['nothing', async () => ({})],
      ['words of its own', async () => ({ memory: `${Buffer.from('{}').toString('base64url')}.AAAA` })],
      ['words that it altered', async ({ memory }) => ({ memory: `e${memory}` })],
      [
        'what another box was told',
        async ({ box, said, hubEpoch }) => {
          const other = await enrol(box.branchCode);
          return { memory: (await other.hello(said(hubEpoch))).data.memory as string };
        },
      ],
    ])(
      'begins none by what it only says, when it shows %s: its own feed and lines are judged, and people are told',
      async (_what, shown) => {
        const all = await met();
        const { box, journal, number, said, hello, hubEpoch } = all;
        const answer = await hello(said(hubEpoch, { appliedSeq: 9, number: number + 9, ...(await shown(all)) }));
        expect(answer.hubEpoch).toBe(hubEpoch);
        expect(answer.cursors).toMatchObject([{ verdict: 'ahead' }]);
        await setBack(journal.incarnation);
        expect((await hello(said(hubEpoch, await shown({ ...all })))).hubEpoch).toBe(hubEpoch);
        expect((await incidents('box-ahead-unproved')).filter(({ key }) => key === box.box)).toMatchObject([
          { count: 2 },
        ]);
      },
    );
  });

  it('tells people of one key at two places, and not of a box that starts anew', async () => {
    const box = await enrol(await newBranch());
    const [first, second, third] = [v7(), v7(), v7()];
    for (const instance of [first, first, second, third, third]) await box.hello({ instance });
    expect((await incidents('box-at-two-places')).filter(({ key }) => key === box.box)).toEqual([]);
    await box.hello({ instance: second });
    expect((await incidents('box-at-two-places')).filter(({ key }) => key === box.box)).toMatchObject([{ count: 1 }]);
  });
});

describe('two histories of one branch', () => {
  it('that take turns within the hour are an incident; one that follows the other is none', async () => {
    const branch = await newBranch();
    const box = await enrol(branch);
    const before = trading(box, 4);
    const after = trading(box, 4, { epoch: 2 });
    await box.push(before.push(1, 2));
    clock.advance(60_000);
    await box.push(before.push(3, 4));
    await box.push(after.push(1, 2));
    clock.advance(1_000);
    await box.push(after.push(3, 4));
    expect((await incidents('two-histories')).filter((each) => each.branch === branch)).toEqual([]);
    clock.advance(1_000);
    expect((await box.push(before.push(5, 5))).status).toBe(200);
    clock.advance(1_000);
    expect((await box.push(after.push(5, 5))).status).toBe(200);
    expect((await incidents('two-histories')).filter((each) => each.branch === branch)).toMatchObject([{ count: 2 }]);
  });
});

describe('a revoked box', () => {
  it('is refused with its very next request, is on the audit, and revoking it again changes nothing', async () => {
    const branch = await newBranch();
    const box = await enrol(branch);
    expect((await box.hello()).status).toBe(200);
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    const path = `/v1/branches/${branch}/boxes`;
    expect((await api.post(`${path}/${v7()}/revoke`)).status).toBe(404);
    const revoked = await api.post(`${path}/${box.box}/revoke`);
    expect([revoked.status, revoked.data.box]).toEqual([200, box.box]);
    const answers = [await box.hello(), await box.push(trading(box, 1).push()), await linesOf(box, v7(), 1)];
    for (const { status } of answers) expect(status).toBe(403);
    expect(answers[0]?.data.code).toBe('box-revoked');
    clock.advance(5_000);
    expect((await api.post(`${path}/${box.box}/revoke`)).data).toEqual(revoked.data);
    const { data } = await api.get(path);
    expect(data.items).toMatchObject([{ box: box.box, revokedAt: revoked.data.revokedAt, epochs: [] }]);
    const audit = await api.get('/v1/audit?limit=100');
    const entries = (audit.data.items as { action: string; subject: string }[]).filter(
      ({ action, subject }) => action === 'box.revoke' && subject === `box:${box.box}`,
    );
    expect(entries).toHaveLength(1);
  });
});

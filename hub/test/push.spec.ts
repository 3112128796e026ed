import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { v7 } from 'uuid';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { newBoxKeys, type JournalBuilder } from './journal-builder.js';
import { factCounts, sumsOfBranch, sumsOfFacts } from './facts-of-branch.js';
import { TestBox, packedOf } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

/** A branch of its own for each rule. */
async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `B${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

function trading(box: TestBox, sales: number): JournalBuilder {
  const journal = box.newJournal();
  for (let sale = 0; sale < sales; sale += 1) journal.sale({ lines: [{}, { product: 'BREAD', milli: 456 }] });
  return journal;
}

const counts = (box: TestBox) => harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch));
const sums = (box: TestBox) => harness.database.transaction(box.tenant, (tx) => sumsOfBranch(tx, box.branch));
const sumsFromFacts = (box: TestBox) => harness.database.transaction(box.tenant, (tx) => sumsOfFacts(tx, box.branch));
const acknowledged = (journal: JournalBuilder, appliedSeq = journal.seq) => ({
  appliedSeq,
  headHash: journal.hashAt(appliedSeq),
  durableSeq: 0,
  quarantined: [],
  directives: [],
});

/** A push whose signature holds, and is followed by what no signature has. */
function withBehindSignature(more: string): (journal: JournalBuilder) => Buffer {
  return (journal) => {
    const [header = '', ...lines] = journal.push(1, 3).toString('utf8').split('\n');
    const { signature, ...rest } = JSON.parse(header) as { signature: string };
    return Buffer.from([JSON.stringify({ ...rest, signature: signature + more }), ...lines].join('\n'));
  };
}

const journalOpening = (box: TestBox, incarnation: string) => ({
  incarnation,
  tenant: box.tenant,
  branch: box.branch,
  branchCode: box.branchCode,
  box: box.box,
  signingKey: box.keys.signingKey,
  sealingKey: box.keys.sealingKey,
  epoch: box.epoch,
  previous: null,
});

async function refusals(reason: string): Promise<number> {
  const { data } = await harness.anonymous.get<string>('/metrics');
  return Number(new RegExp(`branchline_pushes_refused_total\\{reason="${reason}"\\} (\\d+)`).exec(data)?.[1] ?? 0);
}

describe('a push', () => {
  it('is acknowledged with the head that both now hold, which hello confirms', async () => {
    const box = await newBox();
    const journal = trading(box, 5);
    const answer = await box.push(journal.push());
    expect([answer.status, answer.data]).toEqual([200, acknowledged(journal)]);
    const { incarnation } = journal;
    const asked = [0, 3, 99].map((seq) => ({ incarnation, seq }));
    const hello = await box.hello({ incarnations: [{ incarnation, seq: 6, hash: journal.headHash }], hashesAt: asked });
    expect(hello.data.streams).toEqual([{ incarnation, appliedSeq: 6, headHash: journal.headHash, durableSeq: 0 }]);
    expect(hello.data.hashes.map((one: { hash: string | null }) => one.hash)).toEqual([
      journal.hashAt(0),
      journal.hashAt(3),
      null,
    ]);
    expect(await counts(box)).toMatchObject({
      lines: 6,
      sales: 5,
      saleLines: 10,
      tenders: 5,
      taxes: 10,
      movements: 10,
    });
  });

  it('that comes packed is taken as it is in NDJSON: the same head, rows and lines set aside', async () => {
    const [plain, packed] = [await newBox(), await newBox()];
    const odd = { product: 'A\u0000B' };
    const written = [plain, packed].map((box) => {
      const journal = trading(box, 30);
      const id = v7();
      journal.append('sale', id, { ...journal.sale(), id, till: odd.product });
      journal.append('of-another-year', 'x', { '2': [1.5, null, { é: '😀' }], '1': 'line\nfeed' });
      return journal;
    }) as [JournalBuilder, JournalBuilder];
    const answers = [await plain.push(written[0].push()), await packed.pushPacked(written[1].push())];
    for (const [at, { status, data }] of answers.entries()) {
      const journal = written[at] as JournalBuilder;
      expect([status, data]).toMatchObject([200, { appliedSeq: journal.seq, headHash: journal.headHash }]);
      expect(data.quarantined?.map(({ seq, code }) => [seq, code])).toEqual([
        [33, 'unstorable-text'],
        [34, 'unknown-kind'],
      ]);
    }
    expect(await counts(packed)).toEqual(await counts(plain));
    expect(await sums(packed)).toEqual(await sums(plain));
    // What was archived is told by its chain: the same lines as NDJSON are the same history.
    expect((await packed.push(written[1].push())).data).toMatchObject({ headHash: written[1].headHash });
    const mixed = trading(packed, 4);
    await packed.pushPacked(mixed.push(1, 2));
    await packed.push(mixed.push(3, 4));
    expect((await packed.pushPacked(mixed.push(2, 5))).data).toEqual(acknowledged(mixed));
  });

  it('counts nothing twice when its answer was lost and it comes again', async () => {
    const box = await newBox();
    const journal = trading(box, 3);
    const body = journal.push();
    const first = await box.push(body);
    const before = await sums(box);
    const second = await box.push(body);
    expect([second.status, second.data]).toEqual([200, first.data]);
    expect(await sums(box)).toEqual(before);
    expect(await counts(box)).toMatchObject({ lines: 4, sales: 3 });
  });

  it('is there, whole or not at all, when the line dies before its answer', async () => {
    const box = await newBox();
    const journal = trading(box, 40);
    const body = journal.push();
    for (const cutAfterMs of [0, 5, 20, 60]) {
      await box.pushAndHangUp(body, cutAfterMs);
      const { sales, lines } = await counts(box);
      expect([
        [0, 0],
        [40, 41],
      ]).toContainEqual([sales, lines]);
    }
    expect((await box.push(body)).data).toEqual(acknowledged(journal));
    expect(await counts(box)).toMatchObject({ sales: 40, lines: 41 });
    expect(await sums(box)).toEqual(await sumsFromFacts(box));
  });

  it('takes only what is new of one that overlaps', async () => {
    const box = await newBox();
    const journal = trading(box, 4);
    await box.push(journal.push(1, 3));
    const answer = await box.push(journal.push(2, 5));
    expect([answer.status, answer.data]).toEqual([200, acknowledged(journal)]);
    expect(await counts(box)).toMatchObject({ lines: 5, sales: 4 });
    // One that came late and holds only what is known answers with the newest head.
    expect((await box.push(journal.push(1, 2))).data).toMatchObject({ appliedSeq: 5, headHash: journal.headHash });
  });

  it('counts nothing twice when twenty of the same arrive at once', async () => {
    const box = await newBox();
    const journal = trading(box, 20);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => box.push(journal.push(1, 2 + (at % 19)))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(expect.any(Set));
    expect(answers.every(({ status }) => status === 200 || status === 503)).toBe(true);
    expect(answers.filter(({ status }) => status === 503).every(({ headers }) => headers['retry-after'] === '2')).toBe(
      true,
    );
    expect((await box.push(journal.push())).data).toEqual(acknowledged(journal));
    expect(await counts(box)).toMatchObject({ lines: 21, sales: 20, movements: 40 });
  });

  it('is told what is next when lines are missing, and writes nothing', async () => {
    const box = await newBox();
    const journal = trading(box, 4);
    await box.push(journal.push(1, 2));
    const gap = await box.push(journal.push(4, 5));
    expect([gap.status, gap.data]).toEqual([409, expect.objectContaining({ code: 'seq-gap', appliedSeq: 2 })]);
    expect(await counts(box)).toMatchObject({ lines: 2 });
    const unknown = await box.push(box.newJournal().push(1, 1));
    expect(unknown.status).toBe(200);
    const fresh = trading(box, 2);
    expect((await box.push(fresh.push(2, 3))).data).toMatchObject({ code: 'seq-gap', appliedSeq: 0 });
  });

  it('is told where a history departs, with our hash before it', async () => {
    const box = await newBox();
    const journal = trading(box, 4);
    await box.push(journal.push());
    const copy = box.newJournal({ incarnation: journal.incarnation });
    expect(copy.hashAt(1)).toBe(journal.hashAt(1));
    copy.sale();
    copy.sale();
    const sameStart = await box.push(copy.push(2, 3));
    expect([sameStart.status, sameStart.data]).toEqual([
      409,
      expect.objectContaining({ code: 'fork', hash: journal.hashAt(1), appliedSeq: 5 }),
    ]);
    const parted = await box.push(copy.push(3, 3));
    expect(parted.data).toMatchObject({ code: 'fork', hash: journal.hashAt(2) });
    expect(await counts(box)).toMatchObject({ lines: 5, sales: 4 });
  });
});

describe('a push that lies', () => {
  const lies: [string, (journal: JournalBuilder) => Buffer, number, string][] = [
    ['about its count', (journal) => journal.push(1, 3, { count: 2 }), 400, 'malformed-push'],
    ['about its head', (journal) => journal.push(1, 3, { headHash: '0'.repeat(64) }), 400, 'malformed-push'],
    [
      'about what came before',
      (journal) => journal.push(1, 3, { previousHash: '1'.repeat(64) }),
      400,
      'malformed-push',
    ],
    ['about its signer', (journal) => journal.push(1, 3, {}, newBoxKeys()), 400, 'malformed-push'],
    ['with a signature that is none', (journal) => journal.push(1, 3, { signature: 'AAAA' }), 400, 'malformed-push'],
    ['with a signature that has more behind it', withBehindSignature('\u0000'), 400, 'malformed-push'],
    ['about its incarnation', (journal) => journal.push(1, 3, { incarnation: v7() }), 400, 'malformed-push'],
    ['about its place', (journal) => journal.push(1, 3, { fromSeq: 2 }), 400, 'malformed-push'],
    ['being cut short', (journal) => journal.push(1, 3).subarray(0, -20), 400, 'malformed-push'],
    ['being empty', () => Buffer.from('\n'), 400, 'malformed-push'],
    ['with another protocol', (journal) => journal.push(1, 3, { protocol: 2 }), 426, 'protocol'],
  ];
  it.each(lies)('%s is refused whole, counted, and writes nothing', async (_lie, body, status, code) => {
    const box = await newBox();
    const before = await refusals(code);
    const answer = await box.push(body(trading(box, 2)));
    expect([answer.status, answer.data.code]).toEqual([status, code]);
    expect(await refusals(code)).toBe(before + 1);
    expect(await counts(box)).toEqual({
      lines: 0,
      sales: 0,
      saleLines: 0,
      tenders: 0,
      taxes: 0,
      movements: 0,
      incarnations: 0,
    });
  });

  it.each(lies.filter(([lie]) => lie !== 'being empty' && lie !== 'being cut short'))(
    '%s is refused as well when it comes packed',
    async (_lie, body, status, code) => {
      const box = await newBox();
      const answer = await box.pushPacked(body(trading(box, 2)));
      expect([answer.status, answer.data.code]).toEqual([status, code]);
      expect(await counts(box)).toMatchObject({ lines: 0, incarnations: 0 });
    },
  );

  it('by columns that were cut, altered or made up is refused, packed as it is', async () => {
    const box = await newBox();
    const packed = packedOf(trading(box, 2).push());
    const altered = Buffer.from(packed);
    altered.writeUInt8((altered.at(-1) as number) ^ 1, altered.length - 1);
    const columns = packed.indexOf(0x0a) + 1;
    const madeUp = Buffer.concat([packed.subarray(0, columns), Buffer.alloc(300, 0xff)]);
    for (const body of [packed.subarray(0, -1), packed.subarray(0, columns), altered, madeUp]) {
      const answer = await box.push(body, { mediaType: PACKED_PUSH_MEDIA_TYPE });
      expect([answer.status, answer.data.code]).toEqual([400, 'malformed-push']);
    }
    expect(await counts(box)).toMatchObject({ lines: 0, incarnations: 0 });
  });

  it('by reordered lines, though chained and signed anew, is refused', async () => {
    const box = await newBox();
    const honest = trading(box, 3);
    const reordered = box.newJournal({ incarnation: honest.incarnation });
    for (const at of [2, 1, 3]) reordered.appendBytes(honest.lines[at] as Buffer);
    const answer = await box.push(reordered.push());
    expect([answer.status, answer.data.code]).toEqual([400, 'malformed-push']);
    expect(await counts(box)).toMatchObject({ lines: 0 });
  });

  it('about its size stops at the limit: a bomb costs no more', async () => {
    const box = await newBox();
    const bomb = brotliCompressSync(Buffer.alloc(80 * 1024 * 1024, 0x0a));
    expect(bomb.length).toBeLessThan(1024);
    for (const [bytes, encoding] of [
      [bomb, 'br'],
      [gzipSync(Buffer.alloc(80 * 1024 * 1024)), 'gzip'],
      [Buffer.alloc(17 * 1024 * 1024, 0x0a), 'identity'],
    ] as const) {
      const answer = await box.push(bytes, { encoding });
      expect([answer.status, answer.data.code]).toEqual([413, 'body-too-large']);
    }
    expect((await box.push(Buffer.from('not brotli'), { encoding: 'br' })).data.code).toBe('malformed-push');
    expect((await box.push(Buffer.from('x'), { encoding: 'compress' })).data.code).toBe('unsupported-media-type');
    const journal = trading(box, 1);
    expect((await box.push(gzipSync(journal.push()), { encoding: 'gzip' })).status).toBe(200);
    expect((await box.push(journal.push(), { encoding: 'identity' })).status).toBe(200);
  });
});

describe('whose push it is', () => {
  it.each(['tenant', 'branch', 'box', 'signingKey'] as const)(
    'a first line that names another %s is not theirs',
    async (member) => {
      const box = await newBox();
      const stranger = await newBox();
      const open = { tenant: v7(), branch: stranger.branch, box: stranger.box, signingKey: stranger.keys.signingKey };
      const journal = box.newJournal({ open: { [member]: open[member] } });
      journal.sale();
      const answer = await box.push(journal.push());
      expect([answer.status, answer.data.code]).toEqual([403, 'not-yours']);
      expect(await counts(box)).toMatchObject({ lines: 0 });
      expect(await counts(stranger)).toMatchObject({ lines: 0 });
    },
  );

  it('another branch’s token moves nothing there or here', async () => {
    const [mine, theirs] = [await newBox(), await newBox()];
    const journal = trading(mine, 2);
    const answer = await mine.push(journal.push(), { token: theirs.token });
    expect([answer.status, answer.data.code]).toEqual([400, 'malformed-push']);
    for (const box of [mine, theirs]) expect(await counts(box)).toMatchObject({ lines: 0 });
  });

  it('a branch named in a body has no effect: the facts are the token’s', async () => {
    const [mine, theirs] = [await newBox(), await newBox()];
    const journal = mine.newJournal();
    const sale = journal.sale();
    const id = v7();
    journal.append('sale', id, {
      ...sale,
      id,
      branch: theirs.branch,
      branchId: theirs.branch,
      branchCode: theirs.branchCode,
      tenantId: v7(),
    });
    expect((await mine.push(journal.push())).data).toEqual(acknowledged(journal));
    expect(await counts(mine)).toMatchObject({ sales: 2 });
    expect(await counts(theirs)).toMatchObject({ sales: 0 });
  });

  it('two boxes of one branch never write one history', async () => {
    const box = await newBox();
    const journal = trading(box, 1);
    await box.push(journal.push());
    const second = await TestBox.enrol(harness.url, harness.admin.api, box.branchCode);
    expect(second.epoch).toBe(box.epoch + 1);
    const copied = second.newJournal({ incarnation: journal.incarnation });
    copied.sale();
    const answer = await second.push(copied.push());
    expect([answer.status, answer.data.code]).toEqual([403, 'not-yours']);
    expect((await second.push(second.newJournal().push())).status).toBe(200);
  });
});

describe('a box of a version to come', () => {
  it('opens its history, and only what is not known yet is held', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.lines.length = 0;
    journal.hashes.length = 0;
    const body = { ...journalOpening(box, journal.incarnation), reason: 'moved-house', flat: 7 };
    journal.append('incarnation-open', journal.incarnation, body, { contract: 99 });
    journal.sale();
    journal.append('sale', v7(), { no: 'sale we know' }, { contract: 99 });
    const { status, data } = await box.push(journal.push());
    expect([status, data]).toEqual([
      200,
      { ...acknowledged(journal), quarantined: [expect.objectContaining({ seq: 3, code: 'newer-contract' })] },
    ]);
    expect(await counts(box)).toMatchObject({ lines: 3, sales: 1 });
  });
});

/** One failure is forgiven each two seconds: how many it takes until the box rests depends on how fast they come. */
async function untilItRests(push: () => Promise<{ status: number }>): Promise<number[]> {
  const answers: number[] = [];
  while (answers.at(-1) !== 429 && answers.length < 100) answers.push((await push()).status);
  return answers;
}

describe('a box whose pushes are no good', () => {
  it('rests before its next body is read, and nobody else does', async () => {
    const [bad, good] = [await newBox(), await newBox()];
    const journal = trading(bad, 1);
    const forged = journal.push(1, 2, { signature: 'A'.repeat(86) });
    const answers = await untilItRests(() => bad.push(forged));
    expect(answers.slice(0, 20)).toEqual(new Array(20).fill(400));
    expect(answers.at(-1)).toBe(429);
    const turnedAway = await bad.push(journal.push());
    expect(turnedAway.status).toBe(429);
    expect(turnedAway.data).toMatchObject({ code: 'too-many-requests' });
    expect(Number(turnedAway.headers['retry-after'])).toBeGreaterThan(0);
    expect((await good.push(trading(good, 1).push())).status).toBe(200);
  });

  it('waits for its refusal, and beyond a few gets none', async () => {
    const [bad, good] = [await newBox(), await newBox()];
    const forged = trading(bad, 1).push(1, 2, { signature: 'A'.repeat(86) });
    for (let times = 0; times < 20; times += 1) await bad.push(forged);
    const beganMs = performance.now();
    const pushes = Array.from({ length: 10 }, () => bad.push(forged).catch((error: { code?: string }) => error));
    const answers = (await Promise.all(pushes)).map((answer) => ('status' in answer && answer.status) || 'none');
    expect(answers.filter((status) => status === 429)).toHaveLength(4);
    expect(answers.filter((status) => status === 'none')).toHaveLength(6);
    expect(performance.now() - beganMs).toBeGreaterThan(900);
    expect((await good.push(trading(good, 1).push())).status).toBe(200);
  });

  it('is none whose second push overtakes its first, as often as the first comes', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let pairs = 0; pairs < 25; pairs += 1) {
      const [first, second] = [journal.seq + (pairs === 0 ? 0 : 1), journal.seq + (pairs === 0 ? 1 : 2)];
      if (pairs > 0) journal.sale();
      journal.sale();
      const statuses = [];
      for (const push of [
        [second, second],
        [first, first],
        [second, second],
      ] as const)
        statuses.push((await box.push(journal.push(...push))).status);
      expect(statuses).toEqual([409, 200, 200]);
    }
  });

  it('is one that sends pushes whose predecessor never comes', async () => {
    const box = await newBox();
    const journal = trading(box, 2);
    const answers = await untilItRests(async () => {
      const answer = await box.push(journal.push(3, 3));
      // One that is good is not yet the one before.
      await box.push(journal.push(1, 1));
      return answer;
    });
    expect(answers.slice(0, 20)).toEqual(new Array(20).fill(409));
    expect(answers.at(-1)).toBe(429);
  });

  it('counts pushes of which a line is set aside', async () => {
    const bad = await newBox();
    const journal = bad.newJournal();
    await bad.push(journal.push());
    const push = (): Promise<{ status: number }> => {
      const fromSeq = journal.seq + 1;
      journal.append('sale', v7(), { no: 'sale' });
      return bad.push(journal.push(fromSeq));
    };
    const answers: number[] = [];
    for (let times = 0; times < 21; times += 1) answers.push((await push()).status);
    expect(answers.slice(0, 20)).toEqual(new Array(20).fill(200));
    expect(answers[20]).toBe(429);
  });
});

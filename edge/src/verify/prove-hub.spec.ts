import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import { hashAt } from '../store/journal.js';
import type { OwnStore } from '../store/store.js';
import { storeFixture, type StoreFixture } from '../store/testing/store-fixture.js';
import { journalFacts } from '../replicator/testing/replicator-fixture.js';
import { acknowledge } from '../replicator/push-state.js';
import { askHub, judgeHub } from './prove-hub.js';

let fixture: StoreFixture;
let store: OwnStore;

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  await journalFacts(store, 5);
});
afterEach(async () => {
  await store.close();
  fixture.remove();
});

type Told = { appliedSeq: number; headHash?: string; durableSeq?: number; hashAtOurs?: string | null };

/** What a hub says that has `appliedSeq` lines; the hash is ours at that line unless it is bent. */
function judged({ appliedSeq, headHash, durableSeq = 0, hashAtOurs }: Told) {
  const asked = askHub(store.reads, '1');
  const [{ incarnation, incarnationNo, lastSeq }] = asked.streams as [(typeof asked.streams)[number]];
  const ours = (seq: number): string => hashAt(store.reads, incarnationNo, Math.min(seq, lastSeq)) ?? '';
  const answer = {
    streams: [{ incarnation, appliedSeq, headHash: headHash ?? ours(appliedSeq), durableSeq }],
    hashes: [{ incarnation, seq: lastSeq, hash: hashAtOurs === undefined ? ours(lastSeq) : hashAtOurs }],
  } as unknown as HelloAnswer;
  const { provedTo, findings } = judgeHub(store.reads, asked, answer);
  return {
    seq: provedTo?.seq ?? null,
    what: findings.named.map(({ what }) => what),
    detail: findings.named[0]?.detail,
  };
}

const acknowledged = (appliedSeq: number) =>
  store.writer.write(acknowledge, { acknowledged: { incarnationNo: 1, appliedSeq, durableSeq: 0 }, entries: [] });

it('proves up to the hub’s last line when that has our hash, however far behind it is', async () => {
  expect(judged({ appliedSeq: 6 })).toMatchObject({ seq: 6, what: [] });
  expect(judged({ appliedSeq: 4 })).toMatchObject({ seq: 4, what: [] });
  expect(judged({ appliedSeq: 0 })).toMatchObject({ seq: null, what: [] });
});

it('names a history of another hash, and takes nothing of it as proved', () => {
  expect(judged({ appliedSeq: 4, headHash: 'a'.repeat(64) })).toMatchObject({ seq: null, what: ['fork'] });
  expect(judged({ appliedSeq: 9, hashAtOurs: 'b'.repeat(64) })).toMatchObject({ seq: null, what: ['fork'] });
  expect(judged({ appliedSeq: 9, hashAtOurs: null })).toMatchObject({ seq: null, what: ['fork'] });
});

it('names lines that the hub says it has and this box never wrote', () => {
  const found = judged({ appliedSeq: 9 });
  expect(found).toMatchObject({ seq: 6, what: ['hub-claims-lines'] });
  expect(found.detail).toMatch(/: lines 7 to 9, of which this file has none$/u);
});

it('names lines that were acknowledged and are there no more', async () => {
  await acknowledged(5);
  const found = judged({ appliedSeq: 3 });
  expect(found).toMatchObject({ seq: 3, what: ['hub-lost-lines'] });
  expect(found.detail).toMatch(/: acknowledged up to line 5, now there up to 3$/u);
});

it('names lines that are called durable and are not there', () => {
  expect(judged({ appliedSeq: 4, durableSeq: 5 })).toMatchObject({ what: ['hub-durable'] });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { correctionId } from '@branchline/replication/correction-id.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { FeedSums, recordHashOf } from '@branchline/replication/feed-sums.js';
import { bodyHashOf, feedHash } from '@branchline/replication/feed.js';
import { headIsSigned } from '@branchline/replication/head-signature.js';
import { decodeLine, encodeLine } from '@branchline/replication/line.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { decodePush } from '@branchline/replication/push.js';
import { openSealed } from '@branchline/replication/sealing.js';
import { signTokenProof } from '@branchline/replication/token-proof.js';
import { v7 } from 'uuid';
import { numberOutbox } from '../src/feed/number-outbox.js';
import { CustomerOpener } from '../src/customers/customer-opener.js';
import { behindProxy, type Alter } from './altering-proxy.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { exampleOf, type Given, type Gives } from './second-client-example.js';
import { closing, opening, reversed, sale } from './second-client-day.js';
import type { ClientModule, Journal, Record_, Rules, SecondClient } from './second-client-types.js';

const SOURCE = new URL('../../libs/replication/second-client/', import.meta.url);
const PAGE = new URL('../../libs/replication/PROTOCOL.md', import.meta.url);
const NOW = Date.UTC(2026, 10, 21, 9);
const ZONE = 'zone:Z1';

let harness: HubHarness;
let rules: Rules;
let module: ClientModule;
let folder: string;
let branches = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-spec-'));
  rules = (await import(new URL('rules.mjs', SOURCE).href)) as Rules;
  module = (await import(new URL('second-client.mjs', SOURCE).href)) as ClientModule;
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  const rows = Array.from({ length: 30 }, (_, no) => `P${no},Product ${no},600${no},STD,no,A1,Z1,${1_000 + no},,,yes`);
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
  const { status } = await harness.admin.api.post('/v1/imports/products', csv, {
    headers: { 'content-type': 'text/csv' },
  });
  expect(status).toBe(200);
  await harness.numbered();
});
afterAll(async () => {
  await harness.close();
  rmSync(folder, { recursive: true, force: true });
});

async function newBranch(): Promise<string> {
  branches += 1;
  const code = `B${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return code;
}

async function newCode(branch: string): Promise<string> {
  const { data } = await harness.admin.api.post(`/v1/branches/${branch}/enrolment-codes`, { for: 'box' });
  return (data as { code: string }).code;
}

/** A box of a branch of its own, unless one is named. */
async function newClient(branch?: string, url = harness.url, of = module): Promise<SecondClient> {
  const client = new of.Client(url, { firstRetryMs: 1 });
  await client.enrol(await newCode(branch ?? (await newBranch())));
  return client;
}

const newJournal = (client: SecondClient, incarnation = v7(), of = rules): Journal =>
  new of.Journal(client.box, { incarnation, epoch: client.place.epoch, nowMs: NOW });

/** An opened shift and sales in it; the same ids give the same bytes. */
function trading(client: SecondClient, ids: string[], incarnation = v7(), of = rules): Journal {
  const journal = newJournal(client, incarnation, of);
  ids.forEach((id, index) => journal.append(sale({ id, no: index + 1, epoch: journal.epoch, shift: null, atMs: NOW })));
  return journal;
}
const someIds = (count: number): string[] => Array.from({ length: count }, () => v7());

const salesOf = async (client: SecondClient): Promise<string[]> => {
  const { tenant, branch } = client.place;
  const rows = await harness.database.transaction(tenant, (tx) =>
    tx.query<{ id: string }>('SELECT id FROM sale WHERE branch_id = $1 ORDER BY id', [branch]),
  );
  return rows.map(({ id }) => id);
};

const behind = <T>(alter: Alter, work: (url: string) => Promise<T>): Promise<T> =>
  behindProxy(harness.url, alter, work);

/** The client with one rule of the page broken. */
async function broken(find: string, replace: string): Promise<{ rules: Rules; module: ClientModule }> {
  const of = mkdtempSync(join(folder, 'broken-'));
  const names = ['rules.mjs', 'second-client.mjs'];
  let found = 0;
  for (const name of names) {
    const source = readFileSync(new URL(name, SOURCE), 'utf8');
    found += source.split(find).length - 1;
    writeFileSync(join(of, name), source.replace(find, replace));
  }
  expect(found).toBe(1);
  const [first, second] = names.map((name) => pathToFileURL(join(of, name)).href);
  return { rules: (await import(first ?? '')) as Rules, module: (await import(second ?? '')) as ClientModule };
}

describe('a client written from the page', () => {
  it('enrols, also when the answer was lost, and has a certificate that holds and a pepper that opens', async () => {
    let isFirst = true;
    const lose = (path: string, bytes: Buffer) => {
      if (!path.endsWith('/enrol') || !isFirst) return bytes;
      isFirst = false;
      return null;
    };
    await behind(lose, async (url) => {
      const client = await newClient(undefined, url);
      expect(isFirst).toBe(false);
      expect(client.pepper).toHaveLength(32);
      const { tenant, branch, box, certificate, hubKeys } = client.place;
      const keys = { signingKey: client.signing.raw, sealingKey: client.sealing.raw };
      expect(rules.certified(certificate, hubKeys.certifyingKey)).toEqual({ tenant, branch, box, ...keys });
    });
  });

  it('journals a day that adds up, and is acknowledged again for what it sends again', async () => {
    const client = await newClient();
    const journal = newJournal(client);
    const shift = v7();
    journal.append(opening(shift, NOW));
    const facts = someIds(3).map((id, index) =>
      sale({ id, no: index + 1, epoch: journal.epoch, shift, atMs: NOW + index }),
    );
    for (const fact of facts) journal.append(fact);
    journal.append(reversed(facts[0]!, { id: v7(), contentHash: rules.contentHash(facts[0]!.body), atMs: NOW + 5 }));
    for (const line of closing(shift, 2, NOW + 9)) journal.append(line);
    const acknowledged = { appliedSeq: 8, headHash: journal.hashes[8], quarantined: [], durableSeq: 0, directives: [] };
    expect(await client.push(journal.push(1, 3), 'gzip')).toMatchObject({ appliedSeq: 3, headHash: journal.hashes[3] });
    expect(await client.push(journal.push(), 'br')).toEqual(acknowledged);
    expect(await client.push(journal.push(), 'gzip')).toEqual(acknowledged);
    expect(await client.stream(journal)).toMatchObject({ appliedSeq: 8, headHash: journal.hashes[8] });
    const { data } = await harness.admin.api.post(`/v1/fleet/${client.place.branchCode}/verify`);
    expect(data).toMatchObject({ outcome: 'equal', days: [{ businessDate: '2026-11-21', equal: true }] });
    expect(await salesOf(client)).toHaveLength(4);
  });

  it('pushes again after an answer that was lost, and each sale is there once', async () => {
    const ids = someIds(4);
    let lost = 0;
    const lose = (path: string, bytes: Buffer) => (path.endsWith('/push') && (lost += 1) === 1 ? null : bytes);
    await behind(lose, async (url) => {
      const client = await newClient(undefined, url);
      await client.pushAll(trading(client, ids), 1, () => ({ incarnation: v7(), nowMs: NOW }));
      expect([lost, await salesOf(client)]).toEqual([2, [...ids].sort()]);
    });
  });

  it('goes back to where the hub is when lines lack there', async () => {
    const client = await newClient();
    const journal = trading(client, someIds(4));
    await expect(client.push(journal.push(3))).rejects.toMatchObject({ code: 'seq-gap', problem: { appliedSeq: 0 } });
    expect(await client.pushAll(journal, 3, () => ({ incarnation: v7(), nowMs: NOW }))).toBe(journal);
    expect(await client.stream(journal)).toMatchObject({ appliedSeq: 5 });
  });

  it('finds the last common line of a fork, journals on in a new history, and fetches what it lacks', async () => {
    const client = await newClient();
    const incarnation = v7();
    const [common, hubs, own] = [someIds(150), someIds(7), someIds(90)];
    await client.push(trading(client, [...common, ...hubs], incarnation).push());
    const forked = trading(client, [...common, ...own], incarnation);
    const refused = { code: 'fork', problem: { appliedSeq: 158, hash: forked.hashes[151] } };
    await expect(client.push(forked.push(152))).rejects.toMatchObject(refused);

    const next = await client.pushAll(forked, 152, () => ({ incarnation: v7(), nowMs: NOW }));
    const opened = JSON.parse(next.lines[0]!.toString()) as { body: Record<string, unknown> };
    const previous = { incarnation, seq: 151, hash: forked.hashes[151] };
    expect(opened.body).toMatchObject({ previous, reason: 'fork', epoch: client.place.epoch + 1 });
    expect(await client.stream(next)).toMatchObject({ appliedSeq: 91, headHash: next.hashes[91] });
    expect(await salesOf(client)).toEqual([...common, ...hubs, ...own].sort());

    // The hub goes by length alone: named as longer, what the hub has of it is not offered.
    expect((await client.hello([forked, next])).histories).toEqual([]);
    const hello = await client.hello([next]);
    const history = hello.histories.find((one) => one.incarnation === incarnation)!;
    const lacked = await client.linesOf(history, hello.certifyingKey, 151, forked.hashes[151]);
    const keys = lacked.lines.map((line) => (JSON.parse(line) as { key: string }).key);
    expect([keys, lacked.hash]).toEqual([hubs, history.headHash]);
  });

  it('is told by the hub which lines wait, and the stream goes on', async () => {
    const client = await newClient();
    const journal = trading(client, []);
    journal.append({ kind: 'of-tomorrow', key: 'x', at: NOW, body: { any: 1 } });
    const bad = sale({ id: v7(), no: 1, epoch: 1, shift: null, atMs: NOW });
    journal.append({ ...bad, body: { ...bad.body, totalMinor: 1 } });
    const id = v7();
    journal.append({ ...bad, key: id, refs: [`sale:${v7()}`], body: { ...bad.body, id } });
    const { appliedSeq, quarantined } = await client.push(journal.push());
    expect([appliedSeq, quarantined.map(({ seq, code }) => [seq, code])]).toEqual([
      4,
      [
        [2, 'unknown-kind'],
        [3, 'sums-differ'],
        [4, 'waits-for-parent'],
      ],
    ]);
  });
});

describe('what the hub refuses of a client', () => {
  it('is a compressed body of any other request than a push', async () => {
    const client = await newClient();
    const bytes = gzipSync('{"protocol":1,"version":"x","contract":1,"incarnations":[],"hashesAt":[],"cursors":[]}');
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    await expect(client.ask('POST', 'hello', bytes, headers)).rejects.toMatchObject({
      status: 415,
      code: 'unsupported-media-type',
    });
  });

  it('is a first line that names another box, and one that opens no history', async () => {
    const [one, two] = [await newClient(), await newClient()];
    const strange = Object.assign(newJournal(one), { box: two.box });
    await expect(two.push(strange.push())).rejects.toMatchObject({ status: 403, code: 'not-yours' });
    const own = trading(one, someIds(1));
    await one.push(own.push());
    await expect(two.push(own.push())).rejects.toMatchObject({ code: 'malformed-push' });
    await expect(one.push(Object.assign(newJournal(one), { incarnation: v7() }).push())).rejects.toMatchObject({
      code: 'malformed-push',
    });
  });

  it('is a box that head office ended, on every route', async () => {
    const client = await newClient();
    const { branchCode, box } = client.place;
    await harness.admin.api.post(`/v1/branches/${branchCode}/boxes/${box}/revoke`);
    await expect(client.hello([])).rejects.toMatchObject({ status: 403, code: 'box-revoked' });
    await expect(client.prove()).rejects.toMatchObject({ status: 403, code: 'box-revoked' });
  });
});

describe('what a client takes', () => {
  it('is proved: lines of another box of its branch, and none that were altered on the way', async () => {
    const one = await newClient();
    const journal = trading(one, someIds(5));
    await one.push(journal.push(1, 2));
    await one.push(journal.push(3));
    const two = await newClient(one.place.branchCode);
    const { histories, certifyingKey } = await two.hello([]);
    expect((await two.linesOf(histories[0]!, certifyingKey)).lines).toEqual(journal.lines.map(String));

    const other = { ...histories[0]!, signingKey: two.signing.raw };
    await expect(two.linesOf(other, certifyingKey)).rejects.toThrow('another signingKey');
    await expect(two.linesOf(histories[0]!, two.signing.raw)).rejects.toThrow('not by the certifying key');
    const renamed = (_path: string, bytes: Buffer) =>
      Buffer.from(bytes.toString().replace('"kind":"sale"', '"kind":"sold"'));
    await behind(renamed, (url) => {
      Object.assign(two, { url });
      return expect(two.linesOf(histories[0]!, certifyingKey)).rejects.toThrow('does not end where it says');
    });
  });

  it('is every scope of its feed, chained, with the sums that the hub has', async () => {
    const client = await newClient();
    for (const scope of client.place.scopes) {
      const feed = await client.pull(new rules.Feed(scope));
      const sums = await client.sums(feed.cursor);
      expect(sums).toEqual({ part: 'sums', newest: feed.number, kinds: rules.sumsOf(feed.standing.values()) });
      const { cursors } = await client.hello([], { cursors: [feed.cursor] });
      expect(cursors).toEqual([{ scope, verdict: 'ok', newest: feed.number }]);
    }
    const products = await client.pull(new rules.Feed('assortment:A1'));
    expect([products.standing.size, products.hubEpoch]).toEqual([30, (await client.hello([])).hubEpoch]);
  });

  const inPage = (alter: (records: Record_[]) => Record_[]) => (_path: string, bytes: Buffer) => {
    const page = JSON.parse(bytes.toString()) as { records: Record_[] };
    return Buffer.from(JSON.stringify({ ...page, records: alter(page.records) }));
  };
  const dearer = (record: Record_): Record_ => ({ ...record, body: { ...record.body, name: 'Another' } });

  it.each([
    ['a body', inPage(([first, ...rest]) => [dearer(first!), ...rest]), 'a body has another hash'],
    [
      'a body and its hash',
      inPage(([first, ...rest]) => {
        const altered = dearer(first!);
        return [{ ...altered, bodyHash: rules.sha256(rules.canonical(altered.body)) }, ...rest];
      }),
      'chain of a feed',
    ],
    ['a record that is left out', inPage((records) => records.filter(({ number }) => number !== 7)), 'no holes'],
    ['a body that is gone', inPage(([first, ...rest]) => [{ ...first!, deleted: true }, ...rest]), 'chain of a feed'],
  ])('is refused where somebody altered %s', async (_what, alter, said) => {
    const client = await newClient();
    await behind(alter, async (url) => {
      Object.assign(client, { url });
      await expect(client.pull(new rules.Feed('assortment:A1'))).rejects.toThrow(said);
    });
  });

  it('is a snapshot in parts, whose bytes are those that the header says', async () => {
    await harness.database.asOwner(
      `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body)
       SELECT $1, $2, 'price', 'M' || n, 1, false, jsonb_build_object('product', 'M' || n, 'price',
         jsonb_build_object('minor', n, 'per', 1), 'currency', 'ZAR', 'validFrom', 0, 'validTo', null) FROM generate_series(1, 2000) AS n`,
      [harness.admin.tenantId, ZONE],
    );
    const number = (): Promise<number> =>
      harness.database.transaction(harness.admin.tenantId, (tx) => numberOutbox(tx));
    while ((await number()) > 0) continue;
    const client = await newClient();
    const { about, resumed } = await client.snapshot(ZONE, 10_000);
    const feed = await client.pull(new rules.Feed(ZONE));
    expect([resumed, about.number, about.hash, about.records]).toEqual([true, feed.number, feed.hash, 2_030]);
    await expect(client.snapshot('region:R1', 10)).rejects.toMatchObject({ status: 404, code: 'no-snapshot' });
    const flip = (_path: string, bytes: Buffer) => {
      if (bytes.length === 500) bytes[400] = (bytes[400] ?? 0) ^ 1;
      return bytes;
    };
    await behind(flip, async (url) => {
      Object.assign(client, { url });
      await expect(client.snapshot(ZONE, 500)).rejects.toThrow('not what its header says');
    });
  });

  it('is a person, whose key comes apart from the fields that it opens', async () => {
    const branch = await newBranch();
    const [one, two] = [await newClient(branch), await newClient(branch)];
    const [id, key, edit] = [v7(), randomBytes(32), v7()];
    const person = new rules.Person(id, key);
    expect(await one.handOver(new Map([[id, key]]))).toEqual({ taken: 1, erased: [] });
    expect((await two.wanted([id])).keys.size).toBe(0);
    const journal = newJournal(one);
    const changes = {
      name: { value: person.encrypt('name', 'Zoë'), over: [] },
      region: { value: 'R1', over: [] },
      consentSms: { value: 'denied', over: [] },
    };
    const body = { id: edit, customer: id, op: 'create', box: one.place.box, hlc: journal.lastHlc, changes };
    journal.append({ kind: 'customer-edit', key: edit, refs: [`customer:${id}`], at: NOW, body });
    expect(await one.push(journal.push())).toMatchObject({ quarantined: [] });
    await harness.numbered();
    const feed = await two.pull(new rules.Feed('region:R1'));
    const record = feed.standing.get(`customer\n${id}`) as Record_ & { body: { fields: { name: { value: string } } } };
    const { keys, gone, erased } = await two.wanted([id]);
    expect([gone, erased, keys.get(id)?.equals(key)]).toEqual([[], [], true]);
    expect(new rules.Person(id, keys.get(id)!).decrypt('name', record.body.fields.name.value)).toBe('Zoë');
    expect(() => person.decrypt('email', record.body.fields.name.value)).toThrow();
    await harness.hub.app.get(CustomerOpener).settled();
    expect((await harness.admin.api.get(`/v1/customers/${id}`)).data).toMatchObject({ name: 'Zoë', isOpen: true });
    expect(
      (await create<{ id: string }>(harness.admin.api, '/v1/customers', { name: 'Ann', region: 'R1' })).id,
    ).toBeTruthy();
  });
});

describe('a client that breaks a rule of the page', () => {
  const refusals = [
    ['the chain', "sha256(Buffer.from(previousHash, 'hex'), line)", "sha256(line, Buffer.from(previousHash, 'hex'))"],
    ['the bytes of a zero', "'0'.repeat(64)", "'1'.repeat(64)"],
    ['the signed head', 'branchline-head-1', 'branchline-head-2'],
    ['the seq in it', '${seq}\\n${hash}`;', '${seq + 1}\\n${hash}`;'],
  ] as const;
  it.each(refusals)('in %s is refused', async (_what, find, replace) => {
    const other = await broken(find, replace);
    const client = await newClient(undefined, harness.url, other.module);
    const push = client.push(trading(client, someIds(2), v7(), other.rules).push());
    await expect(push).rejects.toMatchObject({ status: 400, code: 'malformed-push' });
  });

  it.each([
    ['the proof for a token', 'branchline-token-1', 'branchline-token-2', 'unauthenticated'],
    ['what is sealed to it', 'branchline-seal-1', 'branchline-seal-2', 'Unsupported state'],
  ])('in %s does not get in', async (_what, find, replace, said) => {
    const other = await broken(find, replace);
    await expect(newClient(undefined, harness.url, other.module)).rejects.toThrow(said);
  });

  it.each([
    ['the chain of a feed', 'release, deleted, bodyHash });', 'deleted, bodyHash });', 'chain of a feed'],
    ['canonical JSON', '.sort()', '.reverse()', 'another hash'],
  ])('in %s takes nothing', async (_what, find, replace, said) => {
    const other = await broken(find, replace);
    const client = await newClient();
    await expect(client.pull(new other.rules.Feed('assortment:A1'))).rejects.toThrow(said);
  });

  it.each([
    ['what is hashed', '${version}\\n${bodyHash}', '${bodyHash}\\n${version}'],
    ['what is not summed', "if (kind === 'release') continue;", ''],
    ['the modulus', '1n << 128n', '(1n << 128n) - 1n'],
  ])('in the sums, %s, comes to others', async (_what, find, replace) => {
    const other = await broken(find, replace);
    const client = await newClient();
    const differs = [];
    for (const scope of client.place.scopes) {
      const feed = await client.pull(new rules.Feed(scope));
      const { kinds } = await client.sums(feed.cursor);
      differs.push(rules.canonical(kinds) !== rules.canonical(other.rules.sumsOf(feed.standing.values())));
    }
    expect(differs).toContain(true);
  });
});

describe('the worked example of the page', () => {
  const [, text = ''] = /<!-- example -->\n+```json\n([\s\S]*?)\n```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
  const { given, gives } = JSON.parse(text) as { given: Given; gives: Gives };

  it('is what the client makes of its keys', () => {
    expect(gives).toEqual(exampleOf(rules, given));
  });

  it('is what boxes and hub make of them', () => {
    const { header, lines } = decodePush(Buffer.from(gives.push));
    const { tenant, branch, incarnation, product } = given;
    const head = { tenant, branch, incarnation, seq: 1, hash: gives.hash1 };
    expect(headIsSigned(head, header.signature, gives.signingKey)).toBe(true);
    const line = decodeLine(gives.line1);
    expect([lines[0]?.bytes.toString(), encodeLine(line).toString()]).toEqual([gives.line1, gives.line1]);
    expect(contentHash(line.body)).toBe(line.contentHash);
    const signing = rules.keyPair('Ed25519', Buffer.from(given.signingSecret, 'hex'));
    expect(signTokenProof(given.box, given.tokenNonce, signing.secret)).toBe(gives.tokenSignature);
    const sealing = rules.keyPair('X25519', Buffer.from(given.sealingSecret, 'hex'));
    expect(openSealed(gives.sealed, sealing.secret).toString()).toBe(given.sealContent);
    const cipher = new PersonCipher(given.person, Buffer.from(given.personKey, 'hex'));
    expect(cipher.seal('name', given.name)).toBe(gives.nameField);
    expect(correctionId(given.conflict, 'reversal')).toBe(gives.reversalId);
    const { number, key, body } = product;
    const record = { number, kind: 'product', key, version: 1, contract: 1, release: null, deleted: false };
    expect(bodyHashOf(body)).toBe(gives.bodyHash);
    expect(feedHash(rules.NO_HASH, { ...record, bodyHash: gives.bodyHash })).toBe(gives.feedHash);
    const sums = new FeedSums();
    sums.addRecord('product', key, recordHashOf('product', key, 1, body));
    expect(sums.told()).toEqual(gives.sums);
  });
});

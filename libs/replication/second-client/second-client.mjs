/**
 * A second client of the replication protocol, written from `../PROTOCOL.md` alone by somebody who had not read our
 * source: plain Node 20, nothing imported from the project. It shows the protocol and nothing else: a box that sells
 * keeps its journal in a database and writes it in the transaction of its facts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import * as rules from './rules.mjs';

const { canonical, certified, keyPair, must, NO_HASH, seal, sha256, sign, unseal } = rules;

/** The hub refused: `code` is the problem's code, `problem` all that it said. */
export class Refused extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code}: ${problem.detail ?? ''}`);
    Object.assign(this, { status, code: problem.code, problem });
  }
}

export class Client {
  token = null;

  /** @param firstRetryMs doubles with each attempt that had no answer, up to five minutes */
  constructor(
    url,
    { signing = keyPair('Ed25519'), sealing = keyPair('X25519'), pollMs = 15_000, firstRetryMs = 2_000 } = {},
  ) {
    Object.assign(this, { url, signing, sealing, pollMs, firstRetryMs });
  }

  /** One request and its answer, whatever it is. A body that is not bytes goes as JSON. */
  async send(method, path, body, headers = {}) {
    const isBytes = body === undefined || Buffer.isBuffer(body);
    const answer = await fetch(`${this.url}/sync/v1/${path}`, {
      method,
      body: isBytes ? body : JSON.stringify(body),
      headers: {
        'branchline-poll-ms': String(this.pollMs),
        ...(isBytes ? {} : { 'content-type': 'application/json' }),
        ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
        ...headers,
      },
    });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  }

  /** Sends again what had no answer or was put off, and with a new token where the old one is not taken any more. */
  async ask(method, path, body, headers) {
    for (let attempt = 0, renewed = false; ; attempt += 1) {
      const waitMs = Math.random() * Math.min(300_000, this.firstRetryMs * 2 ** attempt);
      const answer = await this.send(method, path, body, headers).catch(() => null);
      if (answer !== null && answer.status < 300) return answer;
      if (answer?.status === 401 && this.token !== null && !renewed) {
        renewed = true;
        await this.prove();
      } else if (answer === null || answer.status === 429 || answer.status >= 500) {
        const retryAfterS = answer?.headers.get('retry-after');
        await pause(retryAfterS ? Number(retryAfterS) * 1_000 : waitMs);
      } else {
        throw new Refused(answer.status, JSON.parse(answer.bytes));
      }
    }
  }

  async json(method, path, body, headers) {
    return JSON.parse((await this.ask(method, path, body, headers)).bytes);
  }

  /** §2 */
  async enrol(code) {
    const keys = { signingKey: this.signing.raw, sealingKey: this.sealing.raw };
    this.place = await this.json('POST', 'enrol', { code, ...keys });
    Object.assign(this, { box: { ...this.place, signing: this.signing, sealing: this.sealing } });
    this.pepper = unseal(this.place.pepper, this.sealing);
    await this.prove();
  }

  async prove() {
    this.token = null;
    const { box } = this.place;
    const { nonce } = await this.json('POST', 'token', { box });
    const signature = sign(`branchline-token-1\n${canonical({ box, nonce })}`, this.signing.secret);
    this.token = (await this.json('POST', 'token', { box, nonce, signature })).token;
  }

  /** §4 */
  async push(body, encoding = 'br') {
    const bytes = encoding === 'br' ? brotliCompressSync(body) : gzipSync(body);
    return this.json('POST', 'push', bytes, { 'content-type': 'application/x-ndjson', 'content-encoding': encoding });
  }

  /** Pushes `journal` to its end; a fork makes another of it, which is returned: the one to write on in. */
  async pushAll(journal, fromSeq, newIncarnation) {
    for (let next = fromSeq; next <= journal.seq;) {
      try {
        const { appliedSeq, headHash } = await this.push(journal.push(next));
        must(journal.hashes[appliedSeq] === headHash, 'the hub acknowledges another history');
        next = appliedSeq + 1;
      } catch (error) {
        if (error.code === 'seq-gap') next = ((await this.stream(journal))?.appliedSeq ?? 0) + 1;
        else if (error.code === 'fork') return this.#leave(journal, newIncarnation);
        else throw error;
      }
    }
    return journal;
  }

  async #leave(journal, newIncarnation) {
    const { epoch } = await this.hello([journal]);
    const common = await this.lastCommonLine(journal);
    const options = { epoch: Math.max(epoch ?? 0, journal.epoch) + 1, ...newIncarnation() };
    return this.pushAll(journal.branchOff(common, options), 1, newIncarnation);
  }

  /** §5 */
  hello(journals, { hashesAt = [], cursors = [] } = {}) {
    const incarnations = journals.map(({ incarnation, seq, hashes }) => ({ incarnation, seq, hash: hashes[seq] }));
    const asked = { protocol: 1, version: 'second-client', contract: 1, incarnations, hashesAt, cursors };
    return this.json('POST', 'hello', asked);
  }

  async stream(journal) {
    const { streams } = await this.hello([journal]);
    return streams.find(({ incarnation }) => incarnation === journal.incarnation);
  }

  /** §6: equal hashes prove all lines before them equal, so the range of doubt shrinks to a 65th with each question. */
  async lastCommonLine({ incarnation, seq, hashes }) {
    let [equal, differs] = [0, seq + 1];
    while (differs - equal > 1) {
      const step = Math.max(1, Math.ceil((differs - equal) / 65));
      const positions = Array.from({ length: 64 }, (_, index) => equal + (index + 1) * step).filter(
        (at) => at < differs,
      );
      const answer = await this.hello([], { hashesAt: positions.map((at) => ({ incarnation, seq: at })) });
      for (const { seq: at, hash } of answer.hashes) {
        if (hash === hashes[at]) equal = Math.max(equal, at);
        else differs = Math.min(differs, at);
      }
    }
    return equal;
  }

  /** Lines of a history of this branch after `seq`, whose hash is `hash`, proved by what the hub certified. */
  async linesOf(history, certifyingKey, seq = 0, hash = NO_HASH) {
    const { tenant, branch } = certified(this.place.certificate, certifyingKey);
    const theirs = certified(history.certificate, certifyingKey);
    must(theirs.tenant === tenant && theirs.branch === branch, 'a history of another branch');
    for (const name of ['box', 'signingKey', 'sealingKey']) must(theirs[name] === history[name], `another ${name}`);
    const held = [];
    let head = hash;
    while (seq + held.length < history.appliedSeq) {
      const fromSeq = seq + held.length + 1;
      const { bytes } = await this.ask('GET', `lines?incarnation=${history.incarnation}&from=${fromSeq}`);
      const page = rules.checkedPage(bytes, { ...theirs, incarnation: history.incarnation }, fromSeq, head);
      held.push(...page.lines);
      head = page.hash;
    }
    return { lines: held, hash: head };
  }

  /** §7 */
  async pull(feed) {
    for (let newest = Infinity; feed.number < newest;) {
      const page = await this.json('GET', `feed/${feed.scope}?after=${feed.number}&hash=${feed.hash}`);
      must(page.scope === feed.scope, 'a page of another scope');
      must(feed.hubEpoch === null || feed.hubEpoch === page.hubEpoch, 'the hub was restored: take the scope anew');
      must(page.records.length > 0 || page.newest <= feed.number, 'a page without records, and more to come');
      feed.hubEpoch = page.hubEpoch;
      newest = page.newest;
      for (const record of page.records) feed.take(record);
    }
    return feed;
  }

  /** The whole file; `upTo` bytes in the first request, the rest by Range, as after a broken line. */
  async snapshot(scope, upTo) {
    const plain = { 'accept-encoding': 'identity' };
    const ask = (headers) => this.ask('GET', `snapshot/${scope}`, undefined, { ...plain, ...headers });
    const first = await ask({ range: `bytes=0-${upTo - 1}` });
    const rest = await ask({ range: `bytes=${upTo}-`, 'if-range': first.headers.get('etag') });
    const whole = JSON.parse(rest.headers.get('branchline-snapshot'));
    // 200: it is another file by now, and all of it came.
    const bytes = rest.status === 206 ? Buffer.concat([first.bytes, rest.bytes]) : rest.bytes;
    must(bytes.length === whole.bytes && sha256(bytes) === whole.sha256, 'a snapshot is not what its header says');
    return { about: whole, bytes, resumed: rest.status === 206 };
  }

  /** §9 */
  sums({ scope, number, hash }) {
    return this.json('POST', 'verify', { part: 'sums', scope, number, hash });
  }

  /** §8: hands the hub keys that were made here. @param keys Map of person → 32 bytes */
  async handOver(keys) {
    const { sealingKey } = await this.json('GET', 'person-keys');
    return this.json('POST', 'person-keys', { sealed: seal(rules.packKeys(keys), sealingKey) });
  }

  async wanted(persons) {
    const answer = await this.json('POST', 'person-keys/wanted', { persons });
    const keys = rules.unpackKeys(answer.sealed === null ? Buffer.alloc(0) : unseal(answer.sealed, this.sealing));
    return { ...answer, keys };
  }
}

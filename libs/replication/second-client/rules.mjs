/**
 * The rules of `../PROTOCOL.md` as functions of bytes: notations, keys, journal, feed, persons, sums. `§` names the section
 * of that page. Plain Node 20; nothing is imported from the project.
 */
import * as crypto from 'node:crypto';

export const NO_HASH = '0'.repeat(64);
const SUM_MODULUS = 1n << 128n;

/** Something that the protocol says must be so is not: what was answered is thrown away. */
export class Broken extends Error {}

export function must(holds, what) {
  if (!holds) throw new Broken(what);
}

// §1 Notations

/** RFC 8785 for what JSON.parse makes: members in the order of their UTF-16 code units, no space. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => value[name] !== undefined);
  return `{${names
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)
    .join(',')}}`;
}

export function sha256(...parts) {
  const hash = crypto.createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
const unbase64url = (text) => Buffer.from(text, 'base64url');
const hmac = (algorithm, key, text) => crypto.createHmac(algorithm, key).update(text).digest();

// §2 Keys

/** What stands before the 32 bytes of a private key in PKCS 8 (RFC 8410). */
const PKCS8 = { Ed25519: '302e020100300506032b657004220420', X25519: '302e020100300506032b656e04220420' };

/** @param seed the private key's 32 bytes */
export function keyPair(curve, seed = crypto.randomBytes(32)) {
  const der = Buffer.concat([Buffer.from(PKCS8[curve], 'hex'), seed]);
  const secret = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { secret, raw: crypto.createPublicKey(secret).export({ format: 'jwk' }).x };
}

export const publicKey = (curve, raw) =>
  crypto.createPublicKey({ key: { kty: 'OKP', crv: curve, x: raw }, format: 'jwk' });
export const sign = (text, secret) => base64url(crypto.sign(null, Buffer.from(text), secret));
export const holds = (text, signature, raw) =>
  crypto.verify(null, Buffer.from(text), publicKey('Ed25519', raw), unbase64url(signature));

/** What a certificate says, once its signature by the hub's certifying key holds. */
export function certified(certificate, certifyingKey) {
  const [header = '', payload = '', signature = ''] = certificate.split('.');
  must(JSON.parse(unbase64url(header)).alg === 'EdDSA', 'a certificate is signed with EdDSA');
  must(holds(`${header}.${payload}`, signature, certifyingKey), 'a certificate is not by the certifying key');
  return JSON.parse(unbase64url(payload));
}

function sealingSecret(secret, theirKey, ephemeralRaw, receiverRaw) {
  const shared = crypto.diffieHellman({ privateKey: secret, publicKey: theirKey });
  const info = `branchline-seal-1\n${ephemeralRaw}\n${receiverRaw}`;
  return Buffer.from(crypto.hkdfSync('sha256', shared, Buffer.alloc(0), info, 32));
}

export function seal(content, receiverRaw, ephemeral = keyPair('X25519'), nonce = crypto.randomBytes(12)) {
  const secret = sealingSecret(ephemeral.secret, publicKey('X25519', receiverRaw), ephemeral.raw, receiverRaw);
  const cipher = crypto.createCipheriv('aes-256-gcm', secret, nonce);
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  return [ephemeral.raw, ...[nonce, ciphertext, cipher.getAuthTag()].map(base64url)].join('.');
}

/** @param pair the receiver's */
export function unseal(sealed, pair) {
  const [ephemeralRaw, ...parts] = sealed.split('.');
  const [nonce, ciphertext, tag] = parts.map(unbase64url);
  const secret = sealingSecret(pair.secret, publicKey('X25519', ephemeralRaw), ephemeralRaw, pair.raw);
  const decipher = crypto.createDecipheriv('aes-256-gcm', secret, nonce, { authTagLength: 16 }).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

// §3 The journal, §4 what a push says

export const chainHash = (previousHash, line) => sha256(Buffer.from(previousHash, 'hex'), line);
export const headMessage = ({ tenant, branch }, incarnation, seq, hash) =>
  `branchline-head-1\n${tenant}\n${branch}\n${incarnation}\n${seq}\n${hash}`;

/** @param fact as the box was told it, which is before it gave it a receipt number */
export function contentHash({ receiptNumber: _number, ...fact }) {
  return sha256(canonical(fact));
}

/** One incarnation. `box`: {tenant, branch, branchCode, box, signing, sealing}, the last two key pairs. */
export class Journal {
  lines = [];
  hashes = [NO_HASH];

  constructor(box, { incarnation, epoch, previous = null, reason = 'first', nowMs }) {
    Object.assign(this, { box, incarnation, epoch, lastHlc: '' });
    const { tenant, branch, branchCode } = box;
    const keys = { signingKey: box.signing.raw, sealingKey: box.sealing.raw };
    const body = { incarnation, tenant, branch, branchCode, box: box.box, ...keys, epoch, previous, reason };
    this.append({ kind: 'incarnation-open', key: incarnation, at: nowMs, body });
  }

  get seq() {
    return this.lines.length;
  }

  append({ kind, key, at, body, refs = [], actor = null, device = null, contentHash: same = contentHash(body) }) {
    const fact = { seq: this.seq + 1, kind, key, refs, contract: 1, at, hlc: this.nextHlc(at) };
    const line = Buffer.from(JSON.stringify({ ...fact, actor, device, contentHash: same, body }));
    this.lines.push(line);
    this.hashes.push(chainHash(this.hashes.at(-1), line));
    return fact.seq;
  }

  nextHlc(nowMs) {
    const [lastMs = 0, count = 0] = this.lastHlc.split('-').map((hex) => parseInt(hex || '0', 16));
    const [ms, counter] = nowMs > lastMs ? [nowMs, 0] : count < 0xffff ? [lastMs, count + 1] : [lastMs + 1, 0];
    this.lastHlc = `${ms.toString(16).padStart(12, '0')}-${counter.toString(16).padStart(4, '0')}`;
    return this.lastHlc;
  }

  /** The header line and `count` lines from `fromSeq`, the bytes that were hashed. */
  push(fromSeq = 1, count = Math.min(5_000, this.seq - fromSeq + 1)) {
    const headHash = this.hashes[fromSeq + count - 1];
    const signature = sign(
      headMessage(this.box, this.incarnation, fromSeq + count - 1, headHash),
      this.box.signing.secret,
    );
    const previousHash = this.hashes[fromSeq - 1];
    const header = { protocol: 1, incarnation: this.incarnation, fromSeq, count, previousHash, headHash, signature };
    const lines = [Buffer.from(JSON.stringify(header)), ...this.lines.slice(fromSeq - 1, fromSeq - 1 + count)];
    return Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
  }

  /** §6: what the hub lacks of this history, journalled again in a new one that branches off at `commonSeq`. */
  branchOff(commonSeq, { incarnation, epoch, nowMs }) {
    const previous = { incarnation: this.incarnation, seq: commonSeq, hash: this.hashes[commonSeq] };
    const next = new Journal(this.box, { incarnation, epoch, previous, reason: 'fork', nowMs });
    for (const line of this.lines.slice(commonSeq).map((bytes) => JSON.parse(bytes)))
      if (line.kind !== 'incarnation-open') next.append(line);
    return next;
  }
}

/** A page of lines, checked from `previousHash` to the head that the history's own box has signed. */
export function checkedPage(bytes, history, fromSeq, previousHash) {
  const rows = bytes.toString('utf8').split('\n');
  must(rows.pop() === '', 'a page ends with its last line');
  const [header, ...lines] = [JSON.parse(rows[0]), ...rows.slice(1)];
  must(header.incarnation === history.incarnation && header.fromSeq === fromSeq, 'a page of something else');
  must(header.count === lines.length && lines.length > 0, 'a page has another count than it says');
  must(header.previousHash === previousHash, 'a page does not follow what is held');
  let hash = previousHash;
  lines.forEach((line, index) => {
    hash = chainHash(hash, line);
    must(JSON.parse(line).seq === fromSeq + index, 'a line has another seq');
  });
  must(hash === header.headHash, 'the chain of a page does not end where it says');
  const message = headMessage(history, history.incarnation, fromSeq + lines.length - 1, hash);
  must(holds(message, header.signature, history.signingKey), 'the head of a page is not signed by its box');
  return { lines, hash };
}

// §7 The feed

/** One scope as far as it was pulled: `standing` is the newest record of each (kind, key). */
export class Feed {
  number = 0;
  hash = NO_HASH;
  hubEpoch = null;
  standing = new Map();

  constructor(scope) {
    this.scope = scope;
  }

  take(record) {
    const { number, kind, key, version, contract, release, deleted, bodyHash, hash, body } = record;
    must(number === this.number + 1, 'a feed has no holes');
    must(sha256(canonical(body)) === bodyHash, 'a body has another hash');
    const rest = canonical({ number, kind, key, version, contract, release, deleted, bodyHash });
    must(sha256(Buffer.from(this.hash, 'hex'), rest) === hash, 'the chain of a feed does not hold');
    Object.assign(this, { number, hash });
    const name = `${kind}\n${key}`;
    // What was deleted takes its version along: should it come again one day, it may begin at 1.
    if (deleted) this.standing.delete(name);
    else this.standing.set(name, record);
  }

  get cursor() {
    return { scope: this.scope, hubEpoch: this.hubEpoch, number: this.number, hash: this.hash };
  }
}

// §9 Proof

/** As the hub answers: of each kind the buckets that have any record. Releases are no records of anything. */
export function sumsOf(records) {
  const kinds = new Map();
  for (const { kind, key, version, bodyHash } of records) {
    if (kind === 'release') continue;
    const bucket = parseInt(sha256(`${kind}\n${key}`).slice(0, 2), 16);
    const value = BigInt(`0x${sha256(`${kind}\n${version}\n${bodyHash}\n${key}`).slice(0, 32)}`);
    const buckets = kinds.get(kind) ?? kinds.set(kind, new Map()).get(kind);
    const { count, sum } = buckets.get(bucket) ?? { count: 0, sum: 0n };
    buckets.set(bucket, { bucket, count: count + 1, sum: (sum + value) % SUM_MODULUS });
  }
  const told = ({ bucket, count, sum }) => ({ bucket, count, sum: sum.toString(16).padStart(32, '0') });
  const inOrder = (buckets) => [...buckets.values()].sort((a, b) => a.bucket - b.bucket).map(told);
  return [...kinds]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, buckets]) => ({ kind, buckets: inOrder(buckets) }));
}

// §8 Persons

/** @param key 32 bytes */
export class Person {
  constructor(person, key) {
    this.person = person;
    const halves = hmac('sha512', key, `branchline-person-1\n${person}`);
    Object.assign(this, { key: halves.subarray(0, 32), macKey: halves.subarray(32) });
  }

  encrypt(field, text) {
    const nonce = hmac('sha256', this.macKey, `nonce\n${field}\n${text}`).subarray(0, 12);
    const cipher = crypto
      .createCipheriv('aes-256-gcm', this.key, nonce)
      .setAAD(Buffer.from(`${this.person}\n${field}`));
    return `p1.${base64url(Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]))}`;
  }

  decrypt(field, value) {
    must(value.startsWith('p1.'), 'a field is not encrypted');
    const bytes = unbase64url(value.slice(3));
    const decipher = crypto.createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(`${this.person}\n${field}`)).setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
  }
}

const uuidOf = (bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** §7: of a line that head office's decision makes. @param part `reversal` or `replacement` */
export function correctionId(conflict, part) {
  const bytes = Buffer.from(sha256(`branchline-correction-1\n${conflict}\n${part}`), 'hex').subarray(0, 16);
  bytes[6] = 0x80 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return uuidOf(bytes);
}

/** Keys as they travel, sealed: 48 bytes a person. @param keys Map of person → 32 bytes */
export function packKeys(keys) {
  return Buffer.concat([...keys].flatMap(([person, key]) => [Buffer.from(person.replaceAll('-', ''), 'hex'), key]));
}

export function unpackKeys(content) {
  const starts = Array.from({ length: content.length / 48 }, (_, index) => index * 48);
  return new Map(starts.map((at) => [uuidOf(content.subarray(at, at + 16)), content.subarray(at + 16, at + 48)]));
}

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { chainHash, GENESIS_HASH } from './chain.js';
import { headIsSigned, rawPublicKey, signHead } from './head-signature.js';
import { decodePush, encodePush, MalformedPush, type PushHeader } from './push.js';
import { openSealed, seal } from './sealing.js';
import { signTokenProof, tokenProofHolds } from './token-proof.js';

const LINES = ['{"a":1}', '{"b":"é"}', '{"c":[]}'].map((text) => Buffer.from(text, 'utf8'));
const HEAD = LINES.reduce((hash, line) => chainHash(hash, line), GENESIS_HASH);

function push(changes: Partial<PushHeader> = {}, lines: Buffer[] = LINES): Buffer {
  const header: PushHeader = {
    protocol: 1,
    incarnation: '0193a8f0-0000-7000-8000-000000000001',
    fromSeq: 1,
    count: LINES.length,
    previousHash: GENESIS_HASH.toString('hex'),
    headHash: HEAD.toString('hex'),
    signature: 'x',
    ...changes,
  };
  return encodePush(header, lines);
}

describe('a push', () => {
  it('comes apart into the same bytes, each with its chain hash', () => {
    const { header, lines } = decodePush(push());
    expect(header.count).toBe(3);
    expect(lines.map(({ bytes }) => bytes.toString('utf8'))).toEqual(LINES.map((line) => line.toString('utf8')));
    expect(lines.at(-1)?.hash).toEqual(HEAD);
  });

  it.each<[string, Buffer]>([
    ['is empty', Buffer.alloc(0)],
    ['has no header', Buffer.from('nothing\n')],
    ['has a header of another shape', Buffer.from('{"protocol":1}\n')],
    ['is cut in its last line', push().subarray(0, -3)],
    ['is cut at a line’s end', push().subarray(0, -(LINES[2]?.length ?? 0) - 1)],
    ['has a line too many', push({}, [...LINES, Buffer.from('{}')])],
    ['has two lines exchanged', push({}, [LINES[1], LINES[0], LINES[2]] as Buffer[])],
    ['has a line changed', push({}, [Buffer.from('{"a":2}'), ...LINES.slice(1)])],
    ['lies about its predecessor', push({ previousHash: '11'.repeat(32) })],
    ['lies about its head', push({ headHash: '11'.repeat(32) })],
    ['says fewer lines than it has', push({ count: 2 })],
    ['says more lines than any push may have', push({ count: 5_001 })],
  ])('is refused whole when it %s', (_what, body) => {
    expect(() => decodePush(body)).toThrow(MalformedPush);
  });
});

describe('a box’s signature', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = rawPublicKey(publicKey);
  const head = { tenant: 't', branch: 'b', incarnation: 'i', seq: 7, hash: 'ab' };

  it('stands for one head of one history', () => {
    const signature = signHead(head, privateKey);
    expect(headIsSigned(head, signature, raw)).toBe(true);
    for (const other of [{ seq: 8 }, { hash: 'ac' }, { branch: 'c' }, { incarnation: 'j' }, { tenant: 'u' }]) {
      expect(headIsSigned({ ...head, ...other }, signature, raw)).toBe(false);
    }
  });

  it('is no proof for a token, nor the other way round', () => {
    const proof = signTokenProof('box', 'nonce', privateKey);
    expect(tokenProofHolds('box', 'nonce', proof, raw)).toBe(true);
    expect(tokenProofHolds('box', 'other', proof, raw)).toBe(false);
    expect(headIsSigned(head, proof, raw)).toBe(false);
  });
});

describe('a sealed secret', () => {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');

  it('opens for the box it was sealed to, and for no other', () => {
    const sealed = seal(Buffer.from('pepper'), rawPublicKey(publicKey));
    expect(openSealed(sealed, privateKey).toString()).toBe('pepper');
    expect(sealed).not.toContain(Buffer.from('pepper').toString('base64url'));
    expect(() => openSealed(sealed, generateKeyPairSync('x25519').privateKey)).toThrow();
  });

  it('does not open once it was altered', () => {
    const parts = seal(Buffer.from('pepper'), rawPublicKey(publicKey)).split('.');
    parts[2] = Buffer.from('poison').toString('base64url');
    expect(() => openSealed(parts.join('.'), privateKey)).toThrow();
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { newBox } from '../store/testing/store-fixture.js';
import { enrolBox } from './enrol-box.js';
import { FakeHub } from './testing/fake-hub.js';

const box = newBox();
let hub: FakeHub;
beforeEach(async () => void (hub = await FakeHub.start(box)));
afterEach(() => hub.close());

const TIMEOUT_MS = 500;

describe('the enrolment of a box', () => {
  it('makes its keys and opens the pepper that was sealed to them', async () => {
    const enrolled = await enrolBox(hub.url, 'GOOD-CODE', TIMEOUT_MS);
    const { tenant, branch, branchCode, epoch, pepper } = box;
    expect(enrolled).toMatchObject({ tenant, branch, branchCode, box: box.box, epoch, pepper });
    expect(enrolled.signingKey.asymmetricKeyType).toBe('ed25519');
    expect(enrolled.signingKey.equals(box.signingKey)).toBe(false);
  });

  it('asks again with the same keys when the answer was lost', async () => {
    const bodies: string[] = [];
    hub.intercept = ({ body }) => {
      bodies.push(body.toString());
      return bodies.length < 3 ? { status: 200, body: { half: 'an answer' } } : null;
    };
    await enrolBox(hub.url, 'GOOD-CODE', TIMEOUT_MS);
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(1);
  });

  it.each<[string, () => void, RegExp]>([
    ['a code that is not known', () => undefined, /cannot enrol at .*code-invalid.*ask head office for a new one$/],
    [
      'a hub that is busy',
      () => (hub.intercept = () => ({ status: 503, body: { code: 'busy', detail: 'Busy.' } })),
      /Busy\. \(busy\)$/,
    ],
    ['an answer that is none', () => (hub.intercept = () => ({ status: 200, body: {} })), /no usable answer/],
    [
      'a pepper sealed to another',
      () => (hub.bend = (_request, reply) => ({ ...reply, body: { ...(reply.body as object), pepper: 'a.b.c.d' } })),
      /not sealed to this box/,
    ],
    [
      'a certifying key that has not signed the certificate',
      () =>
        (hub.bend = (_request, reply) => {
          const hubKeys = { certifyingKey: rawPublicKey(box.signingKey), sealingKey: rawPublicKey(box.sealingKey) };
          return { ...reply, body: { ...(reply.body as object), certificate: 'e30.e30.AAAA', hubKeys } };
        }),
      /not of the key that it names/,
    ],
    [
      'a portal that redirects',
      () => (hub.intercept = () => ({ status: 302, body: '', headers: { location: hub.url } })),
      /status-302/,
    ],
  ])('fails in one clear line for %s', async (what, prepare, message) => {
    prepare();
    const code = what.startsWith('a code') ? 'BAD-CODE' : 'GOOD-CODE';
    const failure = await enrolBox(hub.url, code, TIMEOUT_MS).then(
      () => null,
      (error: Error) => error,
    );
    expect(failure?.name).toBe('EnvironmentFailure');
    expect(failure?.message).toMatch(message);
  });

  it('fails in one clear line when nobody is there', async () => {
    const { url } = hub;
    await hub.close();
    await expect(enrolBox(url, 'GOOD-CODE', TIMEOUT_MS)).rejects.toThrow(/no usable answer from .*ECONNREFUSED/);
    hub = await FakeHub.start(box);
  });
});

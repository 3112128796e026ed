import type { Rules } from './second-client-types.js';

/** Of the worked example in `libs/replication/PROTOCOL.md`; secrets and keys in hex. */
export type Given = {
  signingSecret: string;
  sealingSecret: string;
  ephemeralSecret: string;
  sealNonce: string;
  sealContent: string;
  tenant: string;
  branch: string;
  box: string;
  incarnation: string;
  atMs: number;
  tokenNonce: string;
  person: string;
  personKey: string;
  name: string;
  conflict: string;
  product: { number: number; key: string; body: Record<string, unknown> };
};

export type Gives = {
  signingKey: string;
  sealingKey: string;
  tokenMessage: string;
  tokenSignature: string;
  line1: string;
  hash1: string;
  headMessage: string;
  push: string;
  sealed: string;
  nameField: string;
  reversalId: string;
  bodyHash: string;
  feedMessage: string;
  feedHash: string;
  sums: unknown;
};

export function exampleOf(rules: Rules, given: Given): Gives {
  const hex = (text: string) => Buffer.from(text, 'hex');
  const signing = rules.keyPair('Ed25519', hex(given.signingSecret));
  const sealing = rules.keyPair('X25519', hex(given.sealingSecret));
  const { tenant, branch, box, incarnation } = given;
  const place = { tenant, branch, branchCode: 'B001', box, signing, sealing };
  const journal = new rules.Journal(place, { incarnation, epoch: 1, nowMs: given.atMs });
  const [line1 = '', hash1 = ''] = [journal.lines[0]?.toString(), journal.hashes[1]];
  const ephemeral = rules.keyPair('X25519', hex(given.ephemeralSecret));
  const { number, key, body } = given.product;
  const about = { number, kind: 'product', key, version: 1, contract: 1, release: null, deleted: false };
  const bodyHash = rules.sha256(rules.canonical(body));
  const chained = rules.canonical({ ...about, bodyHash });
  const proof = `branchline-token-1\n${rules.canonical({ box, nonce: given.tokenNonce })}`;
  return {
    signingKey: signing.raw,
    sealingKey: sealing.raw,
    tokenMessage: proof,
    tokenSignature: rules.sign(proof, signing.secret),
    line1,
    hash1,
    headMessage: rules.headMessage(place, incarnation, 1, hash1),
    push: journal.push().toString(),
    sealed: rules.seal(Buffer.from(given.sealContent), sealing.raw, ephemeral, hex(given.sealNonce)),
    nameField: new rules.Person(given.person, hex(given.personKey)).encrypt('name', given.name),
    reversalId: rules.correctionId(given.conflict, 'reversal'),
    bodyHash,
    feedMessage: chained,
    feedHash: rules.sha256(hex(rules.NO_HASH), chained),
    sums: rules.sumsOf([{ kind: 'product', key, version: 1, bodyHash }]),
  };
}

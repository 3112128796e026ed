import { addressBytes, PRIVATE_RANGES, type AddressRange, type Names } from './names.js';

export const NAME_CONSTRAINTS_OID = '2.5.29.30';

/** DER tags of RFC 5280: a sequence, `permittedSubtrees [0]`, and `dNSName [2]`, `iPAddress [7]` of GeneralName. */
const TAG = { sequence: 0x30, permitted: 0xa0, host: 0x82, range: 0x87 } as const;

/**
 * Value of the extension that says for whom an authority may sign: these hosts and what is below them, these addresses,
 * any private address, and no other (RFC 5280, 4.2.1.10). Private ranges whole: a router that gives the box another
 * address must not make every till trust anew.
 */
export function nameConstraints({ hosts, addresses }: Names): Buffer {
  const single = addresses.map((address) => ({ address, prefixBits: addressBytes(address).length * 8 }));
  const subtrees = [
    ...hosts.map((host) => der(TAG.sequence, der(TAG.host, Buffer.from(host, 'ascii')))),
    ...[...PRIVATE_RANGES, ...single].map((range) => der(TAG.sequence, der(TAG.range, rangeBytes(range)))),
  ];
  return der(TAG.sequence, der(TAG.permitted, Buffer.concat(subtrees)));
}

/** Address, then mask. */
function rangeBytes({ address, prefixBits }: AddressRange): Buffer {
  const bytes = addressBytes(address);
  const mask = bytes.map((_, index) => (0xff00 >> Math.min(8, Math.max(0, prefixBits - index * 8))) & 0xff);
  return Buffer.concat([bytes, mask]);
}

function der(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), derLength(content.length), content]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}

import { BlockList, isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

/** What tills may call the edge by: host names in lower case, addresses in their one spelling. Sorted, each once. */
export type Names = { hosts: string[]; addresses: string[] };

/** The box as the operating system describes it; `node:os` is one. */
export type Machine = { hostname(): string; networkInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]> };

export type AddressRange = { address: string; prefixBits: number };

/**
 * Addresses that mean something in one network only: loopback, RFC 1918, link-local, unique local (RFC 4193). IPv6
 * link-local is not among them: it needs a zone, which no address bar takes.
 */
export const PRIVATE_RANGES: readonly AddressRange[] = [
  { address: '10.0.0.0', prefixBits: 8 },
  { address: '127.0.0.0', prefixBits: 8 },
  { address: '169.254.0.0', prefixBits: 16 },
  { address: '172.16.0.0', prefixBits: 12 },
  { address: '192.168.0.0', prefixBits: 16 },
  { address: '::1', prefixBits: 128 },
  { address: 'fc00::', prefixBits: 7 },
];

/** More than any box has; a machine with a thousand virtual interfaces must not make a certificate of 30 KB. */
export const NAMES_MAX = 64;

const LOOPBACK: Names = { hosts: ['localhost'], addresses: ['127.0.0.1', '::1'] };
const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A comma-separated list as an operator gives it. @throws Error with one line that says which name and why */
export function parseNames(text: string): Names {
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const addresses = names.filter((name) => isIP(name) !== 0);
  const hosts = names.filter((name) => isIP(name) === 0);
  for (const host of hosts) {
    if (endsInNumber(host))
      throw new Error(`${host} is read as an address by every browser, and is not written as one`);
    if (!HOST.test(host)) throw new Error(`${host} is neither a host name nor an address`);
    if (mayBeTopLevel(host)) {
      throw new Error(`${host} could be a whole top-level domain; take a name with a dot in it, such as ${host}.local`);
    }
  }
  if (names.length > NAMES_MAX) throw new Error(`more than ${NAMES_MAX} names`);
  return union({ hosts, addresses: addresses.map(canonicalAddress) });
}

/** What the box is reached by at this moment without anybody having said so. */
export function namesOfMachine(machine: Machine): Names {
  const hostname = machine.hostname().toLowerCase();
  const label = hostname.split('.', 1)[0] as string;
  const hosts = [hostname, `${label}.local`].filter(
    (host) => HOST.test(host) && !endsInNumber(host) && !mayBeTopLevel(host) && label !== 'localhost',
  );
  const addresses = Object.values(machine.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((each) => !each.internal && isPrivate(each.address))
    .map((each) => canonicalAddress(each.address));
  const found = union(LOOPBACK, { hosts, addresses });
  return { hosts: found.hosts, addresses: found.addresses.slice(0, NAMES_MAX) };
}

export function union(...all: Names[]): Names {
  const sorted = (values: string[]): string[] => [...new Set(values)].sort();
  return {
    hosts: sorted(all.flatMap(({ hosts }) => hosts)),
    addresses: sorted(all.flatMap(({ addresses }) => addresses)),
  };
}

export function missing(wanted: Names, present: Names): string[] {
  return [
    ...wanted.hosts.filter((host) => !present.hosts.includes(host)),
    ...wanted.addresses.filter((address) => !present.addresses.includes(address)),
  ];
}

/** Those of `names` within what an authority may sign for: its hosts, its addresses, and any private address. */
export function permitted(names: Names, permission: Names): Names {
  return {
    hosts: names.hosts.filter((host) => permission.hosts.includes(host)),
    addresses: names.addresses.filter((address) => isPrivate(address) || permission.addresses.includes(address)),
  };
}

/**
 * A constraint to `store` permits `anything.store` too, and .store is for sale. Top-level domains are of letters alone, or
 * begin with xn-- (RFC 3696): a bare name with a digit or a hyphen in it is none.
 */
function mayBeTopLevel(host: string): boolean {
  return host !== 'localhost' && (/^[a-z]+$/.test(host) || /^xn--[^.]*$/.test(host));
}

/** What the WHATWG's URL parser takes for IPv4, octal and hexadecimal with it: 010.0.0.1 is 8.0.0.1, and no name. */
function endsInNumber(host: string): boolean {
  return /(^|\.)(\d+|0x[0-9a-f]*)$/.test(host);
}

const privateAddresses = new BlockList();
for (const { address, prefixBits } of PRIVATE_RANGES) {
  privateAddresses.addSubnet(address, prefixBits, familyOf(address));
}

function isPrivate(address: string): boolean {
  return privateAddresses.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** One spelling for each: lower case, the longest run of zeros left out, no dotted tail. */
export function canonicalAddress(address: string): string {
  if (isIP(address) === 4) return address;
  return new URL(`http://[${address.split('%', 1)[0] as string}]`).hostname.slice(1, -1);
}

/** 4 or 16 bytes, as certificates hold them. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = canonicalAddress(address).split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

import { isIP } from 'node:net';
import type { Machine } from '../names.js';

/** A box with one network card; `move` gives it other addresses, as a router may. */
export function machineWith(hostname: string, addresses: string[]): Machine & { move(to: string[]): void } {
  let present = addresses;
  const entry = (address: string) => ({ address, netmask: '', mac: '', internal: false, cidr: null });
  return {
    hostname: () => hostname,
    networkInterfaces: () => ({
      eth0: present.map((address) =>
        isIP(address) === 4
          ? { ...entry(address), family: 'IPv4' as const }
          : { ...entry(address), family: 'IPv6' as const, scopeid: 0 },
      ),
    }),
    move: (to) => {
      present = to;
    },
  };
}

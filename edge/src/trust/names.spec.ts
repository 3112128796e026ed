import { describe, expect, it } from '@jest/globals';
import { nameConstraints } from './name-constraints.js';
import { addressBytes, canonicalAddress, missing, namesOfMachine, parseNames, permitted } from './names.js';
import { machineWith } from './testing/machine.js';

describe('names that an operator gives', () => {
  it('are hosts and addresses, each once, in one spelling', () => {
    expect(parseNames(' Till.Example.com, 10.0.0.5,, fd00:0:0::5,till.example.com ,edge-1')).toEqual({
      hosts: ['edge-1', 'till.example.com'],
      addresses: ['10.0.0.5', 'fd00::5'],
    });
  });

  it.each([
    ['a wildcard', '*.example.com', 'neither a host name nor an address'],
    ['a URL', 'https://till.example.com', 'neither a host name nor an address'],
    ['a port', 'till.example.com:8500', 'neither a host name nor an address'],
    ['an address with a leading nought, which is octal', '010.0.0.1', '010.0.0.1 is read as an address'],
    ['an address with too few parts', '10.1', 'is read as an address'],
    ['an address with too many', '10.0.0.0.1', 'is read as an address'],
    ['a hexadecimal address', 'till.0x7F', 'is read as an address'],
    ['a name that could be a top-level domain', 'store', 'could be a whole top-level domain'],
    ['an international one', 'xn--p1ai', 'could be a whole top-level domain'],
    ['more than anybody has', Array.from({ length: 65 }, (_, at) => `t${at}.example.com`).join(), 'more than 64'],
  ])('are refused when they hold %s', (_what, text, reason) => {
    expect(() => parseNames(text)).toThrow(reason);
  });
});

describe('names of the machine', () => {
  it('are its host name, the same in .local, its private addresses and loopback', () => {
    const machine = machineWith('Edge-B001.shop.example', [
      '192.168.1.20',
      '203.0.113.9',
      'fe80::1',
      'fd12::20',
      '2001:db8::1',
    ]);
    expect(namesOfMachine(machine)).toEqual({
      hosts: ['edge-b001.local', 'edge-b001.shop.example', 'localhost'],
      addresses: ['127.0.0.1', '192.168.1.20', '::1', 'fd12::20'],
    });
  });

  it.each([
    ['store', ['localhost', 'store.local']],
    ['localhost', ['localhost']],
    ['my_box', ['localhost']],
    ['till.7', ['localhost', 'till.local']],
    ['0042', ['0042.local', 'localhost']],
    ['edge1', ['edge1', 'edge1.local', 'localhost']],
  ])('leave out what nobody may be vouched for: %s', (hostname, hosts) => {
    expect(namesOfMachine(machineWith(hostname, [])).hosts).toEqual(hosts);
  });
});

describe('what an authority may sign for', () => {
  const permission = { hosts: ['edge-1.local'], addresses: ['203.0.113.9'] };

  it('are its hosts, its addresses, and any private address', () => {
    const names = {
      hosts: ['edge-1.local', 'edge-2.local'],
      addresses: ['10.9.9.9', '203.0.113.9', '203.0.113.10', '2001:db8::1'],
    };
    const granted = permitted(names, permission);
    expect(granted).toEqual({ hosts: ['edge-1.local'], addresses: ['10.9.9.9', '203.0.113.9'] });
    expect(missing(names, granted)).toEqual(['edge-2.local', '203.0.113.10', '2001:db8::1']);
  });

  it('stand in its certificate as RFC 5280 writes them', () => {
    const hex = nameConstraints(permission).toString('hex');
    expect(hex).toContain(`300e820c${Buffer.from('edge-1.local').toString('hex')}`);
    expect(hex).toContain('300a8708ac100000fff00000'); // 172.16.0.0/12
    expect(hex).toContain(`30228720fc${'00'.repeat(15)}fe${'00'.repeat(15)}`); // fc00::/7
    expect(hex).toContain('300a8708cb007109ffffffff'); // 203.0.113.9/32
    expect(hex.slice(0, 6)).toBe('3081'.concat((nameConstraints(permission).length - 3).toString(16)));
  });
});

describe('an address', () => {
  it.each([
    ['10.0.0.5', '10.0.0.5', '0a000005'],
    ['0:0:0:0:0:0:0:1', '::1', `${'00'.repeat(15)}01`],
    ['FD00::0A:0', 'fd00::a:0', `fd00${'00'.repeat(10)}000a0000`],
    ['::ffff:1.2.3.4', '::ffff:102:304', `${'00'.repeat(10)}ffff01020304`],
  ])('%s has one spelling and its bytes', (given, spelling, hex) => {
    expect(canonicalAddress(given)).toBe(spelling);
    expect(addressBytes(given).toString('hex')).toBe(hex);
  });
});

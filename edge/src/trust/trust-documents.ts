import { isIP } from 'node:net';
import { v5 } from 'uuid';
import { canonicalAddress, type Names } from './names.js';
import type { OwnCertificate } from './own-certificate.js';
import { escaped, trustPage, trustPagePolicy } from './trust-page.js';

export type TrustDocument = { type: string; body: string | Buffer; policy?: string };

export type TrustFile = 'ca.crt' | 'ca.pem' | 'ca.mobileconfig';
export const TRUST_FILES: readonly TrustFile[] = ['ca.crt', 'ca.pem', 'ca.mobileconfig'];

/** @param port of the secure door, as this caller reaches it; `host`: how it called us, never believed unproved */
export function trustPageFor(
  certificate: OwnCertificate,
  branchCode: string,
  { base, host, port }: { base: '' | '/trust'; host: string | undefined; port: number },
): TrustDocument {
  const authority = certificate.authorityCertificate;
  const origin = originFor(certificate.names, host, port);
  return {
    type: 'text/html; charset=utf-8',
    policy: trustPagePolicy(origin),
    body: trustPage({
      branchCode,
      fingerprint: authority.fingerprint256,
      authorityEnds: new Date(authority.validTo).toISOString().slice(0, 10),
      origin,
      base,
    }),
  };
}

export function trustFile(certificate: OwnCertificate, branchCode: string, file: TrustFile): TrustDocument {
  const authority = certificate.authorityCertificate;
  // The type under which phones offer to install it rather than to keep it.
  if (file === 'ca.crt') return { type: 'application/x-x509-ca-cert', body: authority.raw };
  if (file === 'ca.pem') return { type: 'application/x-pem-file', body: authority.toString() };
  return {
    type: 'application/x-apple-aspen-config',
    body: mobileConfig(branchCode, authority.fingerprint256, authority.raw),
  };
}

/**
 * Where a device that called us `host` trades. Only names that the certificate bears are repeated: a page must not be made
 * to point elsewhere, and with another name the browser would refuse anyway.
 */
export function originFor({ hosts, addresses }: Names, host: string | undefined, port: number): string {
  const called = hostnameOf(host);
  const known = called !== null && (hosts.includes(called) || addresses.includes(called));
  const name = known
    ? called
    : (hosts.find((each) => each !== 'localhost') ??
      addresses.find((each) => each !== '127.0.0.1' && each !== '::1') ??
      'localhost');
  return `https://${isIP(name) === 6 ? `[${name}]` : name}${port === 443 ? '' : `:${port}`}`;
}

function hostnameOf(host: string | undefined): string | null {
  if (host === undefined || !URL.canParse(`http://${host}`)) return null;
  const { hostname } = new URL(`http://${host}`);
  return hostname.startsWith('[') ? canonicalAddress(hostname.slice(1, -1)) : hostname;
}

/** Apple's profile with one payload, the authority. The same authority gives the same profile, so that it replaces itself. */
function mobileConfig(branchCode: string, fingerprint: string, der: Buffer): string {
  const payloadId = v5(`payload ${fingerprint}`, v5.URL);
  const profileId = v5(`profile ${fingerprint}`, v5.URL);
  const name = escaped(`Branchline store ${branchCode}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>dev.branchline.store.${payloadId}</string>
      <key>PayloadUUID</key><string>${payloadId}</string>
      <key>PayloadDisplayName</key><string>${name}</string>
      <key>PayloadCertificateFileName</key><string>ca.crt</string>
      <key>PayloadContent</key><data>${der.toString('base64')}</data>
    </dict>
  </array>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>dev.branchline.store.${profileId}</string>
  <key>PayloadUUID</key><string>${profileId}</string>
  <key>PayloadDisplayName</key><string>${name}</string>
  <key>PayloadDescription</key><string>Lets this device trust the server of store ${escaped(branchCode)}.</string>
</dict>
</plist>
`;
}

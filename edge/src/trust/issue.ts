import 'reflect-metadata'; // for the container inside @peculiar/x509
import { generateKeyPairSync, randomBytes, webcrypto as crypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { NAME_CONSTRAINTS_OID, nameConstraints } from './name-constraints.js';
import type { Names } from './names.js';
import type { Period } from './periods.js';

/** Both PEM. */
export type KeyedCertificate = { certificate: string; key: string };

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/**
 * An authority that can sign for servers with `permission`'s names and private addresses alone, and for no other
 * authority: of use to nobody who steals the box. The constraints are critical: clients that do not know them refuse (Chrome
 * heeds them in what people add since 112, Apple, Firefox and OpenSSL for longer).
 */
export async function newAuthority(commonName: string, permission: Names, period: Period): Promise<KeyedCertificate> {
  const { key, keys } = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerialNumber(),
      name: [{ O: ['Branchline'] }, { CN: [commonName] }],
      ...datesOf(period),
      keys,
      signingAlgorithm: ECDSA,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new Extension(NAME_CONSTRAINTS_OID, true, nameConstraints(permission)),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  return { certificate: pemOf(certificate), key };
}

/** A server's certificate under `authority`, with a key of its own. */
export async function issueCertificate(
  authority: KeyedCertificate,
  { hosts, addresses }: Names,
  period: Period,
): Promise<KeyedCertificate> {
  const issuer = new X509Certificate(authority.certificate);
  const { key, keys } = await newKeys();
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: newSerialNumber(),
      issuer: issuer.subjectName,
      // Browsers read the alternative names alone; this one is for people.
      subject: [{ O: ['Branchline'] }, { CN: ['Branchline edge'] }],
      ...datesOf(period),
      publicKey: keys.publicKey,
      signingKey: await signingKeyOf(authority.key),
      signingAlgorithm: ECDSA,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([
          ...hosts.map((value) => ({ type: 'dns' as const, value })),
          ...addresses.map((value) => ({ type: 'ip' as const, value })),
        ]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
        await AuthorityKeyIdentifierExtension.create(issuer, false, crypto),
      ],
    },
    crypto,
  );
  return { certificate: pemOf(certificate), key };
}

async function newKeys(): Promise<{ key: string; keys: crypto.CryptoKeyPair }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await signingKeyOf(key),
    publicKey: await crypto.subtle.importKey('spki', new Uint8Array(spki), ECDSA, true, ['verify']),
  };
  return { key, keys };
}

function signingKeyOf(pem: string): Promise<crypto.CryptoKey> {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  return crypto.subtle.importKey('pkcs8', new Uint8Array(der), ECDSA, false, ['sign']);
}

/** 126 bits of chance, positive, never shortened by leading zeros. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function datesOf({ fromMs, toMs }: Period): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(fromMs), notAfter: new Date(toMs) };
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

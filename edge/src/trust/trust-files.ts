import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';
import { freeName, writePrivateFile } from '../store/private-file.js';
import type { KeyedCertificate } from './issue.js';
import type { Names } from './names.js';
import type { Period } from './periods.js';

/** The store's authority; `permission`: what it may sign for besides private addresses. */
export type Authority = KeyedCertificate & { permission: Names };

const AUTHORITY_FILE = 'authority.json';
const CERTIFICATE_FILE = 'certificate.json';
const OTHERS = 0o077;

const keyed = z
  .strictObject({ certificate: z.string(), key: z.string() })
  .refine(({ certificate, key }) => belongTogether(certificate, key));
const authoritySchema = z.strictObject({
  ...keyed.shape,
  permission: z.strictObject({ hosts: z.array(z.string()), addresses: z.array(z.string()) }),
});

/** @returns null when there is none yet @throws EnvironmentFailure when it is damaged or others may read it */
export function loadAuthority(dataDir: string): Authority | null {
  const path = join(dataDir, AUTHORITY_FILE);
  const text = readPrivate(path);
  if (text === null) return null;
  const parsed = authoritySchema.safeParse(safeJson(text));
  if (!parsed.success || !belongTogether(parsed.data.certificate, parsed.data.key)) {
    throw new EnvironmentFailure(
      `${path} is damaged: put it back from a backup, or remove it and have every till trust the store anew`,
    );
  }
  return parsed.data;
}

export function saveAuthority(dataDir: string, authority: Authority): void {
  writePrivateFile(join(dataDir, AUTHORITY_FILE), JSON.stringify(authority));
}

/** The next start makes another. One that was set aside before is still what some till trusts. @returns where it went; null when there was none */
export function setAuthorityAside(dataDir: string): string | null {
  const path = join(dataDir, AUTHORITY_FILE);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return null;
  const aside = freeName(`${path}.before`);
  renameSync(path, aside);
  return aside;
}

/** @returns null where there is none, or none that can be used: unlike an authority it is made anew and nobody notices */
export function loadCertificate(dataDir: string): KeyedCertificate | null {
  const text = readPrivate(join(dataDir, CERTIFICATE_FILE));
  const parsed = keyed.safeParse(text === null ? null : safeJson(text));
  return parsed.success ? parsed.data : null;
}

export function saveCertificate(dataDir: string, certificate: KeyedCertificate): void {
  writePrivateFile(join(dataDir, CERTIFICATE_FILE), JSON.stringify(certificate));
}

export function periodOf(certificate: X509Certificate): Period {
  return { fromMs: Date.parse(certificate.validFrom), toMs: Date.parse(certificate.validTo) };
}

function readPrivate(path: string): string | null {
  try {
    const { mode } = statSync(path);
    if ((mode & OTHERS) !== 0) throw new EnvironmentFailure(`${path} can be read by others: chmod 600 it`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof EnvironmentFailure) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new EnvironmentFailure(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function belongTogether(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

import { X509Certificate } from 'node:crypto';
import type { Clock } from '@branchline/domain/clock.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { Gauge, type Registry } from 'prom-client';
import { DAY_MS } from './periods.js';
import { periodOf } from './trust-files.js';

/**
 * Whole days, below zero when it has ended. `authorityDaysLeft`: of the edge's own authority, null where it has none.
 * `trouble`: why the last renewal failed.
 */
export type CertificateFigures = { daysLeft: number; authorityDaysLeft: number | null; trouble: string | null };

export const SERVED_CERTIFICATE = Symbol('served-certificate');

/** What the edge shows its callers, its own or one that it was given; null under this token: it speaks HTTP. */
export interface ServedCertificate {
  figures(): CertificateFigures;
}

/** A certificate out of EDGE_TLS_CERT: the first of its file. Whoever gave it renews it. @throws EnvironmentFailure */
export function givenCertificate(file: string, pem: Buffer, clock: Clock): ServedCertificate {
  const { toMs } = periodOf(certificateIn(file, pem));
  return {
    figures: () => ({ daysLeft: Math.floor((toMs - clock.now()) / DAY_MS), authorityDaysLeft: null, trouble: null }),
  };
}

function certificateIn(file: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new EnvironmentFailure(`${file} is not a certificate in PEM`);
  }
}

export function registerCertificateMetrics(registry: Registry, certificate: ServedCertificate): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `branchline_edge_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('certificate_days_left', 'Days until the certificate served ends', () => certificate.figures().daysLeft);
  if (certificate.figures().authorityDaysLeft === null) return;
  gauge('authority_days_left', "Days until the edge's own authority ends", () => {
    return certificate.figures().authorityDaysLeft ?? 0;
  });
}

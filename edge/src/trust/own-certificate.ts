import { X509Certificate } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { KeyedCertificate } from './issue.js';
import { canonicalAddress, missing, namesOfMachine, permitted, union, type Machine, type Names } from './names.js';
import {
  AUTHORITY_ALERT_MS,
  authorityPeriod,
  believedNow,
  certificatePeriod,
  DAY_MS,
  isClockBelievable,
  isRenewalDue,
} from './periods.js';
import type { CertificateFigures, ServedCertificate } from './served-certificate.js';
import {
  loadAuthority,
  loadCertificate,
  periodOf,
  saveAuthority,
  saveCertificate,
  type Authority,
} from './trust-files.js';

export type OwnCertificateParts = {
  dataDir: string;
  branchCode: string;
  /** What the operator wants the edge to be called, besides what it finds out itself. */
  configured: Names;
  clock: Clock;
  machine: Machine;
  logger: Pick<LoggerService, 'log' | 'error'>;
};

/**
 * The edge's own certificate authority and the certificate it serves under it. The authority is made once and trusted by
 * tills for ten years; the certificate is made anew whenever the box got a name it lacks or its end comes near, and is
 * put to use without a restart.
 */
export class OwnCertificate implements ServedCertificate {
  private readonly listeners: ((renewed: KeyedCertificate) => void)[] = [];
  private readonly told = new Set<string>();
  private trouble: string | null = null;

  private constructor(
    private readonly parts: OwnCertificateParts,
    private readonly authority: Authority,
    private present: KeyedCertificate | null,
  ) {}

  /** @throws EnvironmentFailure with one line: a damaged authority, a name it may not sign for */
  static async open(parts: OwnCertificateParts): Promise<OwnCertificate> {
    const { dataDir, configured } = parts;
    const authority = loadAuthority(dataDir) ?? (await makeAuthority(parts));
    const [refused] = missing(configured, permitted(configured, authority.permission));
    if (refused !== undefined) {
      throw new EnvironmentFailure(
        `EDGE_TLS_NAMES: this store's authority may not sign for ${refused}; leave it out, or make a new authority (edge -- new-authority) that every till has to trust anew`,
      );
    }
    const own = new OwnCertificate(parts, authority, loadCertificate(dataDir));
    await own.renewIfDue();
    return own;
  }

  /** What the server presents and its key, PEM. */
  get served(): { cert: string; key: string } {
    const { certificate, key } = this.mustHave();
    return { cert: certificate, key };
  }

  /** For people to trust; the private half stays in the file. */
  get authorityCertificate(): X509Certificate {
    return new X509Certificate(this.authority.certificate);
  }

  /** What the certificate served now is good for. */
  get names(): Names {
    return namesIn(new X509Certificate(this.mustHave().certificate));
  }

  figures(): CertificateFigures {
    const nowMs = this.parts.clock.now();
    const daysLeft = (certificate: string): number =>
      Math.floor((periodOf(new X509Certificate(certificate)).toMs - nowMs) / DAY_MS);
    return {
      daysLeft: daysLeft(this.mustHave().certificate),
      authorityDaysLeft: daysLeft(this.authority.certificate),
      trouble: this.trouble,
    };
  }

  /** After each renewal, with what is to be served from now on. */
  onRenewed(listener: (renewed: KeyedCertificate) => void): void {
    this.listeners.push(listener);
  }

  /** Cheap when nothing is due. @returns whether there is a new certificate */
  async renewIfDue(): Promise<boolean> {
    const present = this.present && periodOf(new X509Certificate(this.present.certificate));
    const nowMs = believedNow(this.parts.clock.now(), present);
    this.warn(nowMs);
    const wanted = union(this.parts.configured, namesOfMachine(this.parts.machine));
    const names = permitted(wanted, this.authority.permission);
    const reason = this.reasonToRenew(names, nowMs);
    if (reason === null) return false;
    const { issueCertificate } = await import('./issue.js');
    const period = certificatePeriod(nowMs, periodOf(this.authorityCertificate));
    const renewed = await issueCertificate(this.authority, names, period);
    saveCertificate(this.parts.dataDir, renewed);
    this.present = renewed;
    this.parts.logger.log(`a new certificate (${reason}), good for ${[...names.hosts, ...names.addresses].join(' ')}`);
    for (const listener of this.listeners) listener(renewed);
    return true;
  }

  /** `renewIfDue` as the loop calls it: a full disk is told, and tried again by the next look; what is served goes on. */
  async lookAfter(): Promise<void> {
    try {
      await this.renewIfDue();
      this.trouble = null;
    } catch (error) {
      this.trouble = (error as Error).message;
      this.tell(`the certificate could not be renewed: ${this.trouble}`);
    }
  }

  private reasonToRenew(names: Names, nowMs: number): string | null {
    if (this.present === null) return 'there was none';
    const present = new X509Certificate(this.present.certificate);
    if (!present.verify(this.authorityCertificate.publicKey)) return 'another authority';
    const [lacking] = missing(names, namesIn(present));
    if (lacking !== undefined) return `it lacked ${lacking}`;
    return isRenewalDue(nowMs, periodOf(present), periodOf(this.authorityCertificate)) ? 'its period' : null;
  }

  private warn(nowMs: number): void {
    if (!isClockBelievable(this.parts.clock.now())) {
      this.tell("the clock is wrong by years: the certificate's period is a guess until it is set");
    }
    const { toMs } = periodOf(this.authorityCertificate);
    if (toMs - nowMs < AUTHORITY_ALERT_MS) {
      const day = new Date(toMs).toISOString().slice(0, 10);
      this.tell(`the store's certificate authority ends on ${day}: make a new one in time (edge -- new-authority)`);
    }
  }

  /** Once a start: it stays true for as long as nobody does anything about it. */
  private tell(message: string): void {
    if (this.told.has(message)) return;
    this.told.add(message);
    this.parts.logger.error(message);
  }

  private mustHave(): KeyedCertificate {
    if (this.present === null) throw new Error('no certificate was issued');
    return this.present;
  }
}

async function makeAuthority({ dataDir, branchCode, configured, clock, machine, logger }: OwnCertificateParts) {
  const { newAuthority } = await import('./issue.js');
  // Private addresses it may sign for anyway.
  const permission = { ...union(configured, namesOfMachine(machine)), addresses: configured.addresses };
  const nowMs = believedNow(clock.now(), null);
  const day = new Date(nowMs).toISOString().slice(0, 10);
  const made = await newAuthority(`Branchline store ${branchCode}, ${day}`, permission, authorityPeriod(nowMs));
  const authority = { ...made, permission };
  saveAuthority(dataDir, authority);
  const { fingerprint256 } = new X509Certificate(made.certificate);
  logger.log(`this store's own certificate authority is made: sha256=${fingerprint256}`);
  return authority;
}

function namesIn(certificate: X509Certificate): Names {
  const entries = (certificate.subjectAltName ?? '').split(', ');
  const of = (prefix: string): string[] =>
    entries.filter((entry) => entry.startsWith(prefix)).map((entry) => entry.slice(prefix.length));
  return { hosts: of('DNS:'), addresses: of('IP Address:').map(canonicalAddress) };
}

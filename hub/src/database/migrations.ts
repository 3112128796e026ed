import type { MigrationInterface } from 'typeorm';
import { TenantsPeopleCatalogueFeed } from './migrations/000001-tenants-people-catalogue-feed.js';
import { Facts } from './migrations/000002-facts.js';
import { SignInLinks } from './migrations/000003-sign-in-links.js';
import { Proof } from './migrations/000004-proof.js';
import { Integrations } from './migrations/000005-integrations.js';
import { JournalChunks } from './migrations/000006-journal-chunks.js';
import { SessionsAndContacts } from './migrations/000007-sessions-and-contacts.js';
import { DerivedRows } from './migrations/000008-derived-rows.js';
import { WhoIsWho } from './migrations/000009-who-is-who.js';
import { FeedThatEnds } from './migrations/000010-feed-that-ends.js';
import { IncidentsAndAudit } from './migrations/000011-incidents-and-audit.js';
import { BoxProofs } from './migrations/000012-box-proofs.js';
import { Customers } from './migrations/000013-customers.js';
import { WorkLists } from './migrations/000014-work-lists.js';
import { Backups } from './migrations/000015-backups.js';
import { Rebuild } from './migrations/000016-rebuild.js';
import { Amendments } from './migrations/000017-amendments.js';
import { WorkListFigures } from './migrations/000018-work-list-figures.js';
import { Bundles } from './migrations/000019-bundles.js';
import { ErasuresScrubbed } from './migrations/000020-erasures-scrubbed.js';
import { BundleWants } from './migrations/000022-bundle-wants.js';
import { PersonKeyOffers } from './migrations/000023-person-key-offers.js';
import { SettledConflicts } from './migrations/000024-settled-conflicts.js';
import { Proofs } from './migrations/000025-proofs.js';
import { CustomerDisputes } from './migrations/000026-customer-disputes.js';

/** In order, forward only; each file is plain SQL and never edited once released. */
export const MIGRATIONS: (new () => MigrationInterface)[] = [
  TenantsPeopleCatalogueFeed,
  Facts,
  SignInLinks,
  Proof,
  Integrations,
  JournalChunks,
  SessionsAndContacts,
  DerivedRows,
  WhoIsWho,
  FeedThatEnds,
  IncidentsAndAudit,
  BoxProofs,
  Customers,
  WorkLists,
  Backups,
  Rebuild,
  Amendments,
  WorkListFigures,
  Bundles,
  ErasuresScrubbed,
  BundleWants,
  PersonKeyOffers,
  SettledConflicts,
  Proofs,
  CustomerDisputes,
];

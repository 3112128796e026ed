import { applyFetched } from '../apply-fetched.js';
import { APPLIERS } from '../appliers.js';
import { moveReference } from '../move-reference.js';
import type { ReadJobs } from '../store/read-job.js';
import type { ReadTx } from '../store/tx.js';
import { checkLines } from './check-lines.js';
import { compareRows } from './compare-rows.js';
import { Finder, type Findings } from './findings.js';
import { makeScratch } from './scratch.js';
import { findKeys, sumFeed } from './sum-feed.js';

const PARTS = { appliers: APPLIERS, moveReference, applyFetched };

/** Names a tenth of what could be wrong with a file; the rest follows from it. */
const COMPLAINTS_MAX = 10;

function checkFile(tx: ReadTx): Findings {
  const finder = new Finder();
  const answers = tx.all<{ integrity_check: string }>(`PRAGMA integrity_check(${COMPLAINTS_MAX})`);
  for (const { integrity_check: answer } of answers) if (answer !== 'ok') finder.add('file', answer);
  return finder.findings;
}

function prepareScratch(tx: ReadTx, { scratch }: { scratch: string }): null {
  makeScratch(tx, scratch);
  return null;
}

/** What a check reads, each in one moment of the file and in a thread that is there only for the check. */
export const VERIFY_JOBS = {
  'check-file': checkFile,
  'prepare-scratch': prepareScratch,
  'check-lines': checkLines(PARTS),
  'compare-rows': compareRows(PARTS),
  'sum-feed': sumFeed,
  'find-keys': findKeys,
} satisfies ReadJobs;

export type VerifyJobs = typeof VERIFY_JOBS;

import { statfsSync, statSync } from 'node:fs';
import type { ReadJobs } from '../store/read-job.js';
import type { Reader } from '../store/reader.js';
import { WALK_START, type LinesChecked } from './check-lines.js';
import type { RowsCompared } from './compare-rows.js';
import { addFindings, noFindings, type Findings } from './findings.js';
import { dropScratch } from './scratch.js';
import type { VerifyJobs } from './verify-jobs.js';

/** About 50 ms of reading and applying. */
const LINES_AT_A_TIME = 500;
/** The scratch is at most as large as the file; a check never takes the room that sales need. */
const ROOM_FACTOR_MIN = 3;

export type JournalParts = {
  jobs: Jobs<VerifyJobs>;
  databaseFile: string;
  /** Between two pieces of work, so that a store of two cores sells on at its own pace. @throws when it is to end */
  breathe(): Promise<void>;
};

export type JournalProof = { lines: number; rows: number; days: RowsCompared['days']; findings: Findings };

/** A reader that gives values and not text. */
export type Jobs<J extends ReadJobs> = {
  read<Name extends keyof J & string>(name: Name, input: Parameters<J[Name]>[1]): Promise<ReturnType<J[Name]>>;
};

export function jobsOf<J extends ReadJobs>(reader: Reader<J>): Jobs<J> {
  return { read: async (name, input) => JSON.parse(await reader.read(name, input)) as ReturnType<J[typeof name]> };
}

/** Too little room for the scratch: nothing is proved, and nothing is taken. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

/**
 * The journal from its first line on, and every row that only lines write: the lines are applied once more into a scratch
 * beside the file, and what comes of them is compared with what stands.
 *
 * @throws NoRoom, and what `breathe` throws
 */
export async function proveJournal({ jobs, databaseFile, breathe }: JournalParts): Promise<JournalProof> {
  assertRoom(databaseFile);
  const scratch = `${databaseFile}.verifying`;
  const findings = noFindings();
  try {
    addFindings(findings, await jobs.read('check-file', undefined));
    await jobs.read('prepare-scratch', { scratch });
    let walked: LinesChecked = { state: WALK_START, more: true, findings: noFindings() };
    while (walked.more) {
      await breathe();
      walked = await jobs.read('check-lines', { scratch, state: walked.state, linesMax: LINES_AT_A_TIME });
      addFindings(findings, walked.findings);
    }
    await breathe();
    const compared = await jobs.read('compare-rows', { scratch, state: walked.state });
    addFindings(findings, compared.findings);
    return { lines: compared.state.lines, rows: compared.rows, days: compared.days, findings };
  } finally {
    dropScratch(scratch);
  }
}

function assertRoom(databaseFile: string): void {
  const { bavail, bsize } = statfsSync(databaseFile);
  const needed = statSync(databaseFile).size * ROOM_FACTOR_MIN;
  const free = bavail * bsize;
  if (free < needed) throw new NoRoom(`${free} bytes are free, a check wants ${needed}`);
}

import type { RebuildParts } from '../store/rebuild.js';
import type { Finding } from '../store/doctor.js';
import type { Connection } from '../store/tx.js';
import { checkLines, WALK_START, type LinesChecked } from './check-lines.js';
import { compareRows, detachScratch } from './compare-rows.js';
import { addFindings, noFindings } from './findings.js';
import { dropScratch, makeScratch } from './scratch.js';

const LINES_AT_A_TIME = 5_000;
const NAMED_MAX = 20;

/** For the doctor, of a file at rest: whether each row that only lines write is what the journal says. */
export function examineRows(reads: Connection, file: string, parts: RebuildParts): Finding[] {
  const scratch = `${file}.verifying`;
  const findings = noFindings();
  try {
    makeScratch(reads, scratch);
    let walked: LinesChecked = { state: WALK_START, more: true, findings: noFindings() };
    while (walked.more) {
      walked = checkLines(parts)(reads, { scratch, state: walked.state, linesMax: LINES_AT_A_TIME });
      addFindings(findings, walked.findings);
    }
    const compared = compareRows(parts)(reads, { scratch, state: walked.state });
    addFindings(findings, compared.findings);
    if (findings.count === 0)
      return [{ what: 'rows', well: true, detail: `${compared.rows} are what ${compared.state.lines} lines say` }];
    const named = findings.named
      .slice(0, NAMED_MAX)
      .map(({ what, detail }) => ({ what: `rows, ${what}`, well: false, detail }));
    const untold = findings.count - named.length;
    return untold === 0 ? named : [...named, { what: 'rows', well: false, detail: `${untold} more differ` }];
  } finally {
    detachScratch(reads);
    dropScratch(scratch);
  }
}

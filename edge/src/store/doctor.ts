import { GENESIS_HASH } from '@branchline/replication/chain.js';
import { judgeWitness, type Witnessed } from './incarnation.js';
import { readHead } from './journal.js';
import { forkHeads, proveLink } from './rebuild.js';
import type { Connection } from './tx.js';

export type Finding = { what: string; well: boolean; detail: string };

type ChainRow = { position: number; incarnationNo: number; seq: number; hash: Buffer; line: Buffer };

/**
 * What an operator asks of a file: is it whole, is its history the one it wrote, may it go on. SQLite's own check sees
 * about a third of flipped bits; the chain sees every one in the journal.
 */
export function examine(reads: Connection, witnessed: Witnessed | null): Finding[] {
  return [...examineFile(reads), witness(reads, witnessed)];
}

/** Without the witness: all that can be asked of a copy, which is behind it by nature. */
export function examineFile(reads: Connection): Finding[] {
  return [integrity(reads), ...chains(reads), headRow(reads)];
}

function integrity(reads: Connection): Finding {
  const answer = reads.database.pragma('integrity_check(1)', { simple: true }) as string;
  return { what: 'file', well: answer === 'ok', detail: answer };
}

function chains(reads: Connection): Finding[] {
  const heads = forkHeads(reads);
  const broken = new Map<number, string>();
  const rows = reads.database
    .prepare(
      'SELECT position, incarnation_no AS incarnationNo, seq, hash, line FROM journal ORDER BY incarnation_no, seq',
    )
    .iterate() as IterableIterator<ChainRow>;
  for (const row of rows) {
    if (broken.has(row.incarnationNo)) continue;
    try {
      proveLink(heads, row);
    } catch (error) {
      broken.set(row.incarnationNo, (error as Error).message);
    }
  }
  return reads
    .all<{ no: number; id: string; epoch: number; forkedAt: number | null }>(
      'SELECT no, id, epoch, forked_at AS forkedAt FROM incarnation ORDER BY no',
    )
    .map(({ no, id, epoch, forkedAt }) => {
      const { seq, hash } = heads.get(no) ?? { seq: 0, hash: GENESIS_HASH };
      const detail = broken.get(no) ?? `whole up to #${seq} ${hash.toString('hex').slice(0, 16)}…`;
      const what = `chain of epoch ${epoch} (${id}${forkedAt === null ? '' : `, journalled again after #${forkedAt}`})`;
      return { what, well: !broken.has(no), detail };
    });
}

function headRow(reads: Connection): Finding {
  const head = readHead(reads);
  if (head === null) return { what: 'head', well: true, detail: 'nothing is journalled yet' };
  const last = reads.get<{ seq: number; hash: Buffer }>(
    // Behind a head that is not written to any more may lie what was fetched.
    `SELECT seq, hash FROM journal WHERE incarnation_no = ? AND (? IS NULL OR seq <= ?) ORDER BY seq DESC LIMIT 1`,
    head.incarnationNo,
    head.due,
    head.seq,
  );
  const well = last?.seq === head.seq && last.hash.toString('hex') === head.hash;
  return {
    what: 'head',
    well,
    detail: well ? `#${head.seq}` : `the head says #${head.seq}, the journal ends at #${last?.seq ?? 0}`,
  };
}

function witness(reads: Connection, witnessed: Witnessed | null): Finding {
  const due = judgeWitness(reads, witnessed);
  if (due === null)
    return { what: 'witness', well: true, detail: witnessed === null ? 'none needed yet' : `saw #${witnessed.seq}` };
  return { what: 'witness', well: false, detail: `${due.reason}: the next line opens a new incarnation` };
}

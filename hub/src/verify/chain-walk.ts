import { GENESIS_HASH, chainHash } from '@branchline/replication/chain.js';
import type { ArchivedLine } from './archived-lines.js';
import type { Differences } from './differences.js';

/** Recomputes the chain of one history, line by line, from the bytes alone; names where it parts from what was kept. */
export class ChainWalk {
  lines = 0;
  /** Of the last line seen. */
  seq = 0;
  private computed = GENESIS_HASH;
  /** What was kept for the line before; null where that line is missing. */
  private kept: Buffer | null = GENESIS_HASH;

  constructor(
    private readonly incarnation: string,
    private readonly differences: Differences,
  ) {}

  /** As it stands: what is taken in a transaction that is run again is taken once. */
  copy(): ChainWalk {
    return Object.assign(new ChainWalk(this.incarnation, this.differences), this);
  }

  get computedHash(): string {
    return this.computed.toString('hex');
  }

  get keptHash(): string | undefined {
    return this.kept?.toString('hex');
  }

  take({ seq, hash, bytes }: ArchivedLine): void {
    if (seq !== this.seq + 1) {
      this.differences.add('archive-gap', `lines ${this.seq + 1} to ${seq - 1} of ${this.incarnation} are not there`);
      this.kept = null;
    }
    // Linked to what was kept and not to what was computed, so that one flipped byte is one line and not all that follow.
    const linked = this.kept === null ? hash : chainHash(this.kept, bytes);
    const isWhole = this.kept !== null && this.computed.equals(this.kept);
    this.computed = isWhole ? linked : chainHash(this.computed, bytes);
    if (!linked.equals(hash)) {
      const told = `${linked.toString('hex')}, kept is ${hash.toString('hex')}`;
      this.differences.add('archived-line', `line ${seq} of ${this.incarnation}: its bytes lead to ${told}`);
    }
    this.kept = hash;
    this.lines += 1;
    this.seq = seq;
  }
}

import { ownPeakMb, peakMbOf, treeMbOf } from '../process-memory.js';
import type { ReplayMemory } from './replay-folder.js';

export const NO_MEMORY_YET: ReplayMemory = { replayMb: null, hubMb: null, edgeMb: null, postgresMb: null };

/** The most memory that each part of a replay has had, of the edges the largest, over all its runs. */
export class MemoryMeter {
  constructor(
    private peaks: ReplayMemory,
    private readonly pids: { hub: () => number; postgres: number | null },
  ) {}

  /** What is looked at now and then only is PostgreSQL: of the others the machine keeps the peak. */
  sample(): ReplayMemory {
    const { hub, postgres } = this.pids;
    this.note({
      replayMb: ownPeakMb(),
      hubMb: peakMbOf(hub()),
      postgresMb: postgres === null ? null : treeMbOf(postgres),
    });
    return this.peaks;
  }

  note(found: Partial<ReplayMemory>): void {
    const { replayMb, hubMb, edgeMb, postgresMb } = this.peaks;
    this.peaks = {
      replayMb: larger(replayMb, found.replayMb),
      hubMb: larger(hubMb, found.hubMb),
      edgeMb: larger(edgeMb, found.edgeMb),
      postgresMb: larger(postgresMb, found.postgresMb),
    };
  }
}

function larger(known: number | null, found: number | null | undefined): number | null {
  if (found === null || found === undefined) return known;
  return Math.max(known ?? 0, found);
}

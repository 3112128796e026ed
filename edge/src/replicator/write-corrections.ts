import { Problem } from '@branchline/http/problem.js';
import { correctionsDue } from '../selling/corrections.js';
import { writeCorrection } from '../selling/write-correction.js';
import type { Store } from '../store/store.js';

/** Writes what head office decided and is not written yet. One that cannot be written is alarmed about and holds up nothing. */
export async function writeCorrections(store: Store, alarm: (message: string) => void): Promise<void> {
  for (const conflict of correctionsDue(store.reads)) {
    try {
      await store.writer.execute(writeCorrection, { conflict }, { actor: null, device: null });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      alarm(`the correction of conflict ${conflict} was not written: ${error.detail}`);
    }
  }
}

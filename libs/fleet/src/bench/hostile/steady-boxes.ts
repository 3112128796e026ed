import { setTimeout as pause } from 'node:timers/promises';
import type { IngestChain } from '../ingest/ingest-chain.js';
import { compressed } from '../ingest/pushing-box.js';

export interface Steady {
  /** Between two pushes of one box. */
  everyMs: number;
  salesAPush: number;
}

/**
 * Boxes that sell as on any day: each pushes a few sales at a steady rhythm, whatever the answers take. @returns how long
 * each push waited for its answer, ms
 */
export async function tradeSteadily(
  boxes: IngestChain['boxes'],
  { everyMs, salesAPush }: Steady,
  isOver: () => boolean,
  signal: AbortSignal,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  await Promise.all(
    boxes.map(async ({ box, journal }, at) => {
      // Spread over the rhythm: no two of them push in the same moment.
      let dueMs = startMs + (at * everyMs) / boxes.length;
      while (!isOver()) {
        const body = await compressed(journal.nextPush(salesAPush).body);
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await pause(waitMs, undefined, { signal });
        const sentMs = performance.now();
        await box.push(body);
        latenciesMs.push(performance.now() - sentMs);
        dueMs += everyMs;
      }
    }),
  );
  return latenciesMs;
}

/** For so long from now. */
export function overAfter(forMs: number): () => boolean {
  const endMs = performance.now() + forMs;
  return () => performance.now() >= endMs;
}

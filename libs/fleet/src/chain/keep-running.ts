import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';

export interface Kept {
  name: string;
  /** Resolves when the program of the moment has ended, with how. */
  exited(): Promise<string>;
  launch(): Promise<void>;
}

export interface KeeperParts {
  clock: Clock;
  signal: AbortSignal;
  tell: (line: string) => void;
  onBack: () => void;
}

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30_000;
/** Whoever has run that long has recovered. */
const RECOVERED_MS = 10_000;

/** Starts a program again whenever it ends by itself (an edge does when its disk fails), ever more slowly. Until the signal. */
export async function keepRunning(kept: Kept, { clock, signal, tell, onBack }: KeeperParts): Promise<void> {
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort');
  let pauseMs = PAUSE_MS_MIN;
  for (;;) {
    const startedAtMs = clock.now();
    const how = await Promise.race([kept.exited(), aborted]);
    if (signal.aborted) return;
    const endedAtMs = clock.now();
    if (endedAtMs - startedAtMs > RECOVERED_MS) pauseMs = PAUSE_MS_MIN;
    tell(`${kept.name} ended (${String(how)}), starting it again`);
    for (;;) {
      await pause(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
      try {
        await kept.launch();
        onBack();
        tell(`${kept.name} is back after ${((clock.now() - endedAtMs) / 1000).toFixed(1)} s`);
        break;
      } catch (error) {
        tell(`${kept.name} does not start: ${(error as Error).message}`);
      }
    }
  }
}

import type { ReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';

/** Whoever has not taken a piece of 64 KiB in a minute would be at a snapshot for days: it comes again, and goes on from there. */
export const SLOW_MS_MAX = 60_000;

/** Ends an answer whose reader takes nothing more of the file, so that it does not hold its place for ever. */
export function cutWhenSlow(answer: ServerResponse, file: ReadStream, slowMsMax = SLOW_MS_MAX): void {
  // Hung up while the file was being made: it closes but once, and the timer would run for ever.
  if (answer.destroyed) return;
  let taken = 0;
  const timer = setInterval(() => {
    // What waits in this process, or came too late to be taken, was not.
    const now = file.bytesRead - answer.writableLength;
    if (now <= taken) answer.destroy();
    taken = now;
  }, slowMsMax);
  answer.once('close', () => clearInterval(timer));
}

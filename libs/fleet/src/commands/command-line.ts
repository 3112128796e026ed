import { setMaxListeners } from 'node:events';
import { EXIT } from '@branchline/http/exit.js';
import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** Parses; `--help` and bad flags end the process here, with 0 and 2. */
export function parseOrExit(command: Command, argv: readonly string[]): void {
  try {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .parse([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? EXIT.well : EXIT.badInput);
  }
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
  };
}

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once (`runMain`). */
export function abortedBySignals(): AbortSignal {
  const controller = new AbortController();
  // Every store's loops wait on it; none of them stays when it is done.
  setMaxListeners(0, controller.signal);
  const stop = () => controller.abort(new Interrupted('interrupted'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return controller.signal;
}

export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

import { setImmediate as othersTurn } from 'node:timers/promises';
import { parentPort, type MessagePort } from 'node:worker_threads';
import type { Clock } from '@branchline/domain/clock.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { Problem, problemOfDomainError } from '@branchline/http/problem.js';
import { loadBox } from './box.js';
import type { Appliers, Command, FetchedApplier, ReferenceMover } from './command.js';
import { openWriting, type Writing } from './writable.js';
import type { BackgroundWrite, LocalWrite } from './write-job.js';
import {
  ofPlain,
  plainOf,
  type FromWriterThread,
  type StorePlace,
  type ToWriterThread,
  type WriteOutcome,
  type WriteRequest,
} from './write-messages.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- each has an input and an output of its own */
/** Every write that is asked for, for a thread to find it by its name. */
export type KnownWrites = {
  commands: readonly Command<any, any>[];
  local: readonly LocalWrite<any, any>[];
  background: readonly BackgroundWrite<any, any>[];
};
/* eslint-enable @typescript-eslint/no-explicit-any */

export type ServedStore = {
  writes: KnownWrites;
  appliers: Appliers;
  moveReference: ReferenceMover;
  applyFetched: FetchedApplier;
  clock: Clock;
  newId: () => string;
};

/** The whole of the writer's thread: the store's one writer, asked by messages. */
export function serveWrites(store: ServedStore): void {
  if (parentPort === null) throw new Error('writes are served from a thread of their own');
  const served = new ServedWriter(store, parentPort);
  parentPort.on('message', (message: ToWriterThread) => served.heard(message));
}

class ServedWriter {
  private readonly commands: ReadonlyMap<string, KnownWrites['commands'][number]>;
  private readonly local: ReadonlyMap<string, KnownWrites['local'][number]>;
  private readonly background: ReadonlyMap<string, KnownWrites['background'][number]>;
  /** Of background writes that are not done. */
  private readonly aborts = new Map<number, AbortController>();
  private writing: Writing | null = null;
  private outcomes: WriteOutcome[] = [];
  private moved = false;

  constructor(
    private readonly store: ServedStore,
    private readonly port: MessagePort,
  ) {
    const { commands, local, background } = store.writes;
    this.commands = byName(commands);
    this.local = byName(local);
    this.background = byName(background);
  }

  heard(message: ToWriterThread): void {
    switch (message.kind) {
      case 'open':
        return this.open(message.place);
      case 'requests':
        for (const request of message.requests) void this.serve(request);
        return;
      case 'abort':
        return this.aborts.get(message.no)?.abort();
      case 'close':
        return void this.close();
    }
  }

  private open({ dataDir, databaseFile, witnessFile }: StorePlace): void {
    const { appliers, moveReference, applyFetched, clock, newId } = this.store;
    try {
      const box = loadBox(dataDir);
      if (box === null) throw new EnvironmentFailure(`no box is enrolled in ${dataDir}`);
      this.writing = openWriting({
        ...{ databaseFile, witnessFile, box, appliers, moveReference, applyFetched, clock, newId },
        stopwatch: () => performance.now(),
        alarm: (message) => this.tell({ kind: 'alarm', message }),
        onFatal: ({ message }) => this.tell({ kind: 'fatal', message }),
      });
    } catch (error) {
      const { message, stack } = error as Error;
      return this.tell({ kind: 'not-open', message, stack, isEnvironment: error instanceof EnvironmentFailure });
    }
    this.writing.writer.onCommitted(() => (this.moved = true));
    this.tell({ kind: 'open' });
  }

  private async serve(request: WriteRequest): Promise<void> {
    const { no } = request;
    let outcome: WriteOutcome;
    try {
      outcome = { no, kind: 'done', output: plainOf(await this.doneBy(request)) };
    } catch (error) {
      outcome = failureOf(no, error);
    }
    // All of a group are answered in one turn, and go in one message.
    if (this.outcomes.push(outcome) === 1) process.nextTick(() => this.flush());
  }

  private async doneBy(request: WriteRequest): Promise<unknown> {
    if (this.writing === null) throw new Error('the store is not open');
    const { writer } = this.writing;
    switch (request.kind) {
      case 'execute':
        return writer.execute(known(this.commands, request.name), ofPlain(request.input), request.by);
      case 'write':
        return writer.write(known(this.local, request.name), ofPlain(request.input));
      case 'background':
        return this.inBackground(writer, request);
      case 'sync-witness':
        return writer.syncWitness();
      case 'cut-log':
        return writer.cutLog();
    }
  }

  private async inBackground(
    writer: Writing['writer'],
    { no, name, input, state }: WriteRequest & { kind: 'background' },
  ): Promise<unknown> {
    const abort = new AbortController();
    this.aborts.set(no, abort);
    try {
      return await writer.background(known(this.background, name), ofPlain(input), ofPlain(state), abort.signal);
    } finally {
      this.aborts.delete(no);
    }
  }

  private flush(): void {
    const { outcomes, moved } = this;
    this.outcomes = [];
    this.moved = false;
    this.tell({ kind: 'outcomes', outcomes, moved });
  }

  private async close(): Promise<void> {
    await this.writing?.close();
    // Whoever was refused by it is told in this turn, through the port that closes.
    await othersTurn();
    this.tell({ kind: 'closed' });
    this.port.close();
  }

  private tell(message: FromWriterThread): void {
    this.port.postMessage(message);
  }
}

function byName<T extends { name: string }>(list: readonly T[]): Map<string, T> {
  const map = new Map(list.map((each) => [each.name, each]));
  if (map.size < list.length) throw new Error('two writes bear one name');
  return map;
}

function known<T>(writes: ReadonlyMap<string, T>, name: string): T {
  const found = writes.get(name);
  if (found === undefined) throw new Error(`no write is called ${name}`);
  return found;
}

function failureOf(no: number, error: unknown): WriteOutcome {
  const refusal = error instanceof Problem ? error : problemOfDomainError(error);
  if (refusal !== undefined) {
    const { code, detail, errors, headers } = refusal;
    return { no, kind: 'refused', problem: { code, detail, ...(errors && { errors }), ...(headers && { headers }) } };
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { no, kind: 'failed', name, message, stack, fields: fieldsOf(error) };
}

/** Never in place of the error itself: one that does not go into JSON would end the thread, and the program with it. */
function fieldsOf(error: unknown): string {
  try {
    return error instanceof Error ? JSON.stringify(error) : '{}';
  } catch {
    return '{}';
  }
}

import { parentPort, workerData } from 'node:worker_threads';
import { Problem, problemOfDomainError } from '@branchline/http/problem.js';
import { openReadOnly } from './read-connection.js';
import type { ReadJobs, ReadOutcome, ReadRequest, ThreadMessage } from './read-job.js';
import type { Connection } from './tx.js';

/** A long read comes back to the same pages. */
const CACHE_KB = 4_096;

export type ReaderData = { file: string };

/** The whole of a reader's thread: one connection of its own, one job at a time, until it is ended from outside. */
export function serveReads(jobs: ReadJobs): void {
  if (parentPort === null) throw new Error('reads are served from a thread of their own');
  const port = parentPort;
  const tell = (message: ThreadMessage): void => port.postMessage(message);
  const connection = openReadOnly((workerData as ReaderData).file, CACHE_KB);
  port.on('message', ({ no, name, input }: ReadRequest) => {
    const job = jobs[name];
    if (job === undefined) throw new Error(`no read is called ${name}`);
    tell({ kind: 'answer', no, outcome: outcomeOf(connection, () => job(connection, input)) });
  });
  tell({ kind: 'ready' });
}

/**
 * In one transaction: the writer commits meanwhile, and the sums of a report must be of one moment. It begins with the job,
 * so that everything committed before the request is seen, and ends with it: an open one holds checkpoints up.
 */
function outcomeOf(connection: Connection, read: () => unknown): ReadOutcome {
  connection.run('BEGIN');
  try {
    return { kind: 'done', json: JSON.stringify(read()) };
  } catch (error) {
    return failureOf(error);
  } finally {
    connection.run('COMMIT');
  }
}

function failureOf(error: unknown): ReadOutcome {
  const known = error instanceof Problem ? error : problemOfDomainError(error);
  if (known !== undefined) {
    const { code, detail, errors } = known;
    return { kind: 'refused', problem: { code, detail, ...(errors && { errors }) } };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'failed', message, stack };
}

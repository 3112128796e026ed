import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * A line means: leave the server alone. The end without one means that we are gone, and the server follows, if the lock file still
 * names it: by then the pid may be somebody else's.
 */
const SCRIPT = 'read -r _ && exit 0; read -r pid < "$2" && [ "$pid" = "$1" ] && kill -INT "$1"';

/**
 * Ends a PostgreSQL server whose parent was killed: it does not notice that by itself. A shell that waits for the end of its standard
 * input, which the machine closes when we end, however we end; in a session of its own, so that what kills our group spares it.
 */
export class PostgresWatcher {
  private readonly ended: Promise<void>;
  private readonly shell: ChildProcess & { stdin: Writable };

  constructor(serverPid: number, lockFile: string) {
    this.shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', String(serverPid), lockFile], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    // Without a shell nothing watches, and the next start of the folder stops the orphan.
    this.ended = new Promise((done) => void this.shell.once('error', () => done()).once('exit', () => done()));
    this.shell.stdin.on('error', () => undefined);
    this.shell.unref();
  }

  /** The server may outlive us, or has ended. */
  release(): void {
    if (!this.shell.stdin.writableEnded) this.shell.stdin.end('\n');
  }

  /** Released, and gone. */
  async close(): Promise<void> {
    // Where nothing else is left to do, the process would end here as if it had nothing to wait for.
    this.shell.ref();
    this.release();
    await this.ended;
  }
}

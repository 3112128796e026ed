import { createServer, type Server } from 'node:net';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { type ByteHook, type Endpoint, FaultLink, type Faults, type LineCounters } from './fault-link.js';

export interface FaultProxyOptions {
  target: Endpoint;
  /** 0 or absent: any free one. */
  listenPort?: number;
}

/** A line on 127.0.0.1 that can be cut, slowed, silenced and listened to. What passes is not altered. */
export class FaultProxy {
  private readonly links = new Set<FaultLink>();
  private readonly faults: Faults;
  private readonly counted: LineCounters = { connections: 0, resets: 0, upBytes: 0, downBytes: 0 };
  private cutNow = false;

  constructor(
    private readonly server: Server,
    target: Endpoint,
  ) {
    this.faults = {
      target,
      delayMs: 0,
      silent: false,
      held: { up: false, down: false },
      resetAfterBytes: { up: null, down: null },
      hooks: { up: null, down: null },
      dropReplyOf: null,
    };
    server.on('connection', (socket) => {
      this.counted.connections += 1;
      if (this.cutNow) {
        this.counted.resets += 1;
        // Without a listener the reset's own error would end the process.
        socket.on('error', () => undefined).resetAndDestroy();
        return;
      }
      const id = this.counted.connections;
      const link: FaultLink = new FaultLink(id, socket, this.faults, this.counted, () => this.links.delete(link));
      this.links.add(link);
    });
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isCut(): boolean {
    return this.cutNow;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.links.size;
  }

  /** Since the start, both ways; connections that were reset at once count too. */
  get counters(): Readonly<LineCounters> {
    return { ...this.counted };
  }

  /** Resets what is open; what comes is accepted and reset, so that nobody else can take the port meanwhile. */
  cut(): void {
    this.cutNow = true;
    this.resetAll();
  }

  restore(): void {
    this.cutNow = false;
  }

  resetAll(): void {
    for (const link of [...this.links]) link.reset();
  }

  /** For connections made from now on: a process that was started again listens elsewhere. */
  retarget(target: Endpoint): void {
    this.faults.target = target;
  }

  /** Later for everything, both ways; the order stays. */
  setDelayMs(delayMs: number): void {
    this.faults.delayMs = delayMs;
  }

  /** Half-open: connections are accepted and kept, nothing passes, nobody learns of it. */
  setSilent(silent: boolean): void {
    this.faults.silent = silent;
    this.wakeAll();
  }

  holdRequests(): void {
    this.faults.held.up = true;
  }

  releaseRequests(): void {
    this.faults.held.up = false;
    this.wakeAll();
  }

  holdReplies(): void {
    this.faults.held.down = true;
  }

  releaseReplies(): void {
    this.faults.held.down = false;
    this.wakeAll();
  }

  /** Each connection passes that many bytes and is then reset; null: no limit. */
  resetAfterBytes(limits: { up?: number | null; down?: number | null }): void {
    this.faults.resetAfterBytes = { up: limits.up ?? null, down: limits.down ?? null };
  }

  onRequestBytes(hook: ByteHook | null): void {
    this.faults.hooks.up = hook;
  }

  onReplyBytes(hook: ByteHook | null): void {
    this.faults.hooks.down = hook;
  }

  /**
   * The request is delivered, its reply is not: the connection is reset at the reply's first byte. The predicate sees the request as
   * far as it has come, again with each further piece.
   */
  dropReplyOf(predicate: ((request: Buffer) => boolean) | null): void {
    this.faults.dropReplyOf = predicate;
  }

  async close(): Promise<void> {
    this.resetAll();
    await new Promise<void>((done) => this.server.close(() => done()));
  }

  private wakeAll(): void {
    for (const link of this.links) link.wake();
  }
}

/** @throws EnvironmentFailure when the port is taken. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true });
  const proxy = new FaultProxy(server, options.target);
  await new Promise<void>((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be listened on: ${error.message}`;
      fail(new EnvironmentFailure(`port ${options.listenPort} ${reason}`));
    });
    server.listen(options.listenPort ?? 0, '127.0.0.1', done);
  });
  return proxy;
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** 'up' goes from who connected (a till, an edge) to the target (an edge, the hub). */
export type Direction = 'up' | 'down';

/** hold: these bytes and what follows wait for a release; reset: they are never delivered and both sides see a reset. */
export type Verdict = 'pass' | 'hold' | 'reset';

export interface PassingBytes {
  connection: number;
  chunk: Buffer;
  /** Of this connection and direction, these included. */
  bytesSoFar: number;
}

/** May be asynchronous: as long as it has not decided, the bytes wait. It may kill a process in between. */
export type ByteHook = (bytes: PassingBytes) => Verdict | Promise<Verdict>;

export interface Endpoint {
  host: string;
  port: number;
}

/** What is wrong with the line at this moment; read by every connection at every chunk. */
export interface Faults {
  target: Endpoint;
  delayMs: number;
  silent: boolean;
  held: Record<Direction, boolean>;
  resetAfterBytes: Record<Direction, number | null>;
  hooks: Record<Direction, ByteHook | null>;
  dropReplyOf: ((request: Buffer) => boolean) | null;
}

export interface LineCounters {
  connections: number;
  resets: number;
  upBytes: number;
  downBytes: number;
}

interface Waiting {
  chunk: Buffer;
  due: Promise<void> | null;
}

/** Read ahead while the line is slow, per connection and direction; beyond it the sender feels the back-pressure. */
const AHEAD_BYTES_MAX = 1 << 20;
/** Of a request, as much as `dropReplyOf` gets to see. */
const REQUEST_BYTES_MAX = 1 << 18;

/** One connection through the proxy: two sockets and what waits between them. */
export class FaultLink {
  private readonly passed = { upBytes: 0, downBytes: 0 };
  private readonly changes = new Set<() => void>();
  private far: Socket | null = null;
  private request: Buffer[] = [];
  private requestBytes = 0;
  private replySeen = false;
  private replyIsDropped = false;
  private closed = false;

  constructor(
    private readonly id: number,
    private readonly near: Socket,
    private readonly faults: Faults,
    private readonly counters: LineCounters,
    private readonly onClosed: () => void,
  ) {
    near.setNoDelay(true);
    this.watch(near);
    // A failure of a socket resets the link by its 'error' or 'close'; what is left to catch here is `once` telling the same again.
    this.run().catch(() => this.reset());
  }

  /** Something about the line has changed: whoever waits looks again. */
  wake(): void {
    const waiting = [...this.changes];
    this.changes.clear();
    for (const look of waiting) look();
  }

  /** Both sides see ECONNRESET; nothing more is delivered. */
  reset(): void {
    if (this.closed) return;
    this.counters.resets += 1;
    for (const socket of [this.near, this.far]) if (socket && !socket.destroyed) socket.resetAndDestroy();
    this.finish();
  }

  private finish(): void {
    this.closed = true;
    this.wake();
    this.onClosed();
  }

  private watch(socket: Socket): void {
    socket.on('error', () => this.reset());
    socket.on('drain', () => this.wake());
    socket.on('close', () => {
      if (this.closed) return;
      const orderly = socket.readableEnded && socket.writableFinished;
      if (!orderly) this.reset();
      else if (this.near.destroyed && this.far?.destroyed) this.finish();
    });
  }

  private async run(): Promise<void> {
    const up = this.pump('up', this.near);
    await this.until(() => !this.faults.silent);
    if (this.closed) return;
    const far = connect({ ...this.faults.target, allowHalfOpen: true, noDelay: true });
    this.far = far;
    this.watch(far);
    await once(far, 'connect');
    this.wake();
    await Promise.all([up, this.pump('down', far)]);
  }

  /** Reads ahead within bounds, delivers in order, ends the other side when this one has ended. */
  private async pump(direction: Direction, from: Socket): Promise<void> {
    const queue: Waiting[] = [];
    let queuedBytes = 0;
    let ended = false;
    from.on('data', (chunk: Buffer) => {
      queue.push({ chunk, due: this.faults.delayMs > 0 ? pause(this.faults.delayMs) : null });
      queuedBytes += chunk.length;
      if (queuedBytes >= AHEAD_BYTES_MAX) from.pause();
      this.wake();
    });
    from.on('end', () => {
      ended = true;
      this.wake();
    });
    await this.until(() => this.far !== null && !this.far.connecting);
    const to = direction === 'up' ? this.far : this.near;
    for (;;) {
      await this.until(() => queue.length > 0 || ended);
      if (this.closed || !to) return;
      const next = queue.shift();
      if (!next) return void to.end();
      await next.due;
      await this.deliver(direction, next.chunk, to);
      queuedBytes -= next.chunk.length;
      if (from.isPaused() && queuedBytes < AHEAD_BYTES_MAX) from.resume();
    }
  }

  private async deliver(direction: Direction, chunk: Buffer, to: Socket): Promise<void> {
    const key = direction === 'up' ? 'upBytes' : 'downBytes';
    const before = this.passed[key];
    const bytesSoFar = before + chunk.length;
    this.passed[key] = bytesSoFar;
    if (direction === 'up') this.noteRequest(chunk);
    else if (this.noteReply()) return this.reset();
    const verdict = await (this.faults.hooks[direction]?.({ connection: this.id, chunk, bytesSoFar }) ?? 'pass');
    if (verdict === 'reset') return this.reset();
    if (verdict === 'hold') this.faults.held[direction] = true;
    await this.until(() => !this.faults.silent && !this.faults.held[direction]);
    const limit = this.faults.resetAfterBytes[direction];
    const isLast = limit !== null && bytesSoFar >= limit;
    const piece = isLast ? chunk.subarray(0, Math.max(0, limit - before)) : chunk;
    if (this.closed) return;
    this.counters[key] += piece.length;
    if (!to.write(piece)) await this.until(() => !to.writableNeedDrain);
    if (isLast) this.reset();
  }

  /** Bytes up after bytes down begin the next request of a kept-alive connection. */
  private noteRequest(chunk: Buffer): void {
    if (!this.faults.dropReplyOf) return;
    if (this.replySeen) {
      this.request = [];
      this.requestBytes = 0;
      this.replySeen = false;
    }
    if (this.requestBytes < REQUEST_BYTES_MAX) this.request.push(chunk);
    this.requestBytes += chunk.length;
    this.replyIsDropped = this.replyIsDropped || this.faults.dropReplyOf(Buffer.concat(this.request));
  }

  private noteReply(): boolean {
    this.replySeen = true;
    return this.replyIsDropped;
  }

  /** Resolves when the condition holds, or when the connection is gone. */
  private async until(condition: () => boolean): Promise<void> {
    while (!this.closed && !condition()) await new Promise<void>((done) => this.changes.add(done));
  }
}

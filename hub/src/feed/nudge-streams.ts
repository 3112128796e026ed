import type { Box } from '@branchline/access/principal.js';
import { NUDGE_BEAT, encodeNudge, type NudgeEvent } from '@branchline/replication/nudge.js';
import type { FeedNotice } from './feed-notice.js';

/** Where the bytes of one stream go: the raw response of its request. */
export type NudgeSink = {
  write(text: string): unknown;
  end(): unknown;
  destroy(): unknown;
  /** Bytes written that the connection has not taken yet. */
  readonly writableLength: number;
};

type Stream = {
  box: Pick<Box, 'tenantId' | 'boxId'>;
  scopes: ReadonlySet<string>;
  expiresAtMs: number;
  sink: NudgeSink;
};

/** More than a process can serve boxes; each stream is a socket and a few hundred bytes. */
export const STREAMS_MAX = 20_000;
/** A box that does not read for longer than its own limit of silence has not gone by itself. */
const UNREAD_BYTES_MAX = 4_096;

/** The streams that are open at this process, one a box. Knows nothing of time and database: it is told. */
export class NudgeStreams {
  private readonly byBox = new Map<string, Stream>();
  private readonly due = new Set<Stream>();

  get size(): number {
    return this.byBox.size;
  }

  get isAnyDue(): boolean {
    return this.due.size > 0;
  }

  hasRoom(boxId: string): boolean {
    return this.byBox.has(boxId) || this.byBox.size < STREAMS_MAX;
  }

  /** A second one of a box ends the first: the box has lost it, whatever this end believes. @returns how to leave */
  open(stream: Omit<Stream, 'scopes'> & { scopes: readonly string[] }): () => void {
    const { boxId } = stream.box;
    const opened: Stream = { ...stream, scopes: new Set(stream.scopes) };
    const before = this.byBox.get(boxId);
    if (before) this.end(before);
    this.byBox.set(boxId, opened);
    opened.sink.write(NUDGE_BEAT);
    return () => this.forget(opened);
  }

  /** @returns whether any stream is to be nudged with the next flush */
  note({ tenant, scopes }: FeedNotice): boolean {
    for (const stream of this.byBox.values()) {
      if (stream.box.tenantId !== tenant) continue;
      if (scopes === null || scopes.some((scope) => stream.scopes.has(scope))) this.due.add(stream);
    }
    return this.isAnyDue;
  }

  /** At once: it is a person who waits, or whoever asks has seen to it that it is not too often. */
  ask(boxId: string, event: NudgeEvent): void {
    const stream = this.byBox.get(boxId);
    if (stream) this.tell(stream, encodeNudge(event));
  }

  flush(): void {
    const nudge = encodeNudge('pull');
    for (const stream of this.due) this.tell(stream, nudge);
    this.due.clear();
  }

  tenants(): Map<string, string[]> {
    const boxes = new Map<string, string[]>();
    for (const { box } of this.byBox.values()) {
      const known = boxes.get(box.tenantId);
      if (known) known.push(box.boxId);
      else boxes.set(box.tenantId, [box.boxId]);
    }
    return boxes;
  }

  /** @param living boxes of the tenant that are not revoked, with the scopes they follow now; the others end */
  keep(tenantId: string, asked: readonly string[], living: ReadonlyMap<string, readonly string[]>): void {
    for (const boxId of asked) {
      const stream = this.byBox.get(boxId);
      if (stream?.box.tenantId !== tenantId) continue;
      const scopes = living.get(boxId);
      if (scopes) stream.scopes = new Set(scopes);
      else this.end(stream);
    }
  }

  /** Those whose token has expired end: the box comes back with another. */
  beat(nowMs: number): void {
    for (const stream of this.byBox.values()) {
      if (nowMs >= stream.expiresAtMs) this.end(stream);
      else this.tell(stream, NUDGE_BEAT);
    }
  }

  /** It may not be open here. */
  endOf(boxId: string): void {
    const stream = this.byBox.get(boxId);
    if (stream) this.end(stream);
  }

  endAll(): void {
    for (const stream of this.byBox.values()) this.end(stream);
  }

  private tell(stream: Stream, text: string): void {
    if (stream.sink.writableLength > UNREAD_BYTES_MAX) {
      this.forget(stream);
      stream.sink.destroy();
    } else stream.sink.write(text);
  }

  private end(stream: Stream): void {
    this.forget(stream);
    stream.sink.end();
  }

  private forget(stream: Stream): void {
    this.due.delete(stream);
    if (this.byBox.get(stream.box.boxId) === stream) this.byBox.delete(stream.box.boxId);
  }
}

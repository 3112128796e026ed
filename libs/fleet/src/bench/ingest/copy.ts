import pg, { type Connection, type Submittable } from 'pg';

type CopyConnection = Connection & {
  query(sql: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

/** `COPY … FROM STDIN` of bytes that are at hand. @param sql the whole statement */
export function copyIn(client: pg.Client, sql: string, bytes: Buffer): Promise<void> {
  return new Promise((done, fail) => {
    client.query(new Copy(sql, { bytes, done: () => done(), fail }));
  });
}

/** `COPY … TO STDOUT` into memory. @param sql the whole statement */
export function copyOut(client: pg.Client, sql: string): Promise<Buffer> {
  return new Promise((done, fail) => {
    client.query(new Copy(sql, { bytes: null, done, fail }));
  });
}

/** pg queues whatever says itself how it is sent, and hands it what comes back. */
class Copy implements Submittable {
  private readonly chunks: Buffer[] = [];

  constructor(
    private readonly sql: string,
    private readonly work: { bytes: Buffer | null; done(received: Buffer): void; fail(reason: Error): void },
  ) {}

  submit(connection: Connection): void {
    (connection as CopyConnection).query(this.sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    if (this.work.bytes) connection.sendCopyFromChunk(this.work.bytes);
    connection.endCopyFrom();
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    // A view of the buffer that pg reads into, and goes on reading into.
    this.chunks.push(Buffer.from(chunk));
  }

  handleError(error: Error): void {
    this.work.fail(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.work.done(Buffer.concat(this.chunks));
  }
}

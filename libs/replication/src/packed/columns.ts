import { MalformedPush } from '../push.js';

/** Beyond it a difference of two numbers may not be exact; larger ones travel as text. */
export const INTEGER_MAX = 2 ** 50;

const FIRST_BYTES = 64;

/** A run of values of one sort: beside its like a value costs brotli a fraction of what it costs between its neighbours. */
export class ColumnWriter {
  private buffer = Buffer.allocUnsafe(FIRST_BYTES);
  private length = 0;

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  /** Seven bits a byte, the lowest first. @param value an integer from 0 to below 2^53 */
  natural(value: number): void {
    this.reserve(8);
    if (value < 0x80) {
      this.buffer[this.length++] = value;
      return;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.length++] = rest;
  }

  /** What lies near zero is short, on either side of it. */
  integer(value: number): void {
    this.natural(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** @returns bytes written */
  text(value: string, encoding: 'utf8' | 'latin1' | 'hex'): number {
    this.reserve(value.length * 3);
    const written = this.buffer.write(value, this.length, encoding);
    this.length += written;
    return written;
  }

  append(bytes: Buffer): void {
    this.reserve(bytes.length);
    this.length += bytes.copy(this.buffer, this.length);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}

/** Reads what a `ColumnWriter` wrote, or what somebody made up: every read past the end, every number too large throws. */
export class ColumnReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** @throws MalformedPush */
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new MalformedPush('packed: a column is too short');
    return value;
  }

  /** @throws MalformedPush */
  natural(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first - 0x80;
    for (let scale = 0x80; ; scale *= 0x80) {
      const next = this.byte();
      value += (next % 0x80) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new MalformedPush('packed: a number too large');
      if (next < 0x80) return value;
      if (scale > INTEGER_MAX) throw new MalformedPush('packed: a number without an end');
    }
  }

  /** @throws MalformedPush */
  integer(): number {
    const value = this.natural();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** @throws MalformedPush */
  text(bytes: number, encoding: 'utf8' | 'latin1' | 'hex'): string {
    const end = this.at + bytes;
    if (end > this.bytes.length) throw new MalformedPush('packed: a column is too short');
    const value = this.bytes.toString(encoding, this.at, end);
    this.at = end;
    return value;
  }

  /** @throws MalformedPush */
  take(bytes: number): Buffer {
    const end = this.at + bytes;
    if (end > this.bytes.length) throw new MalformedPush('packed: a column is too short');
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

/** How many, how long each, and then their bytes. */
export function joinColumns(columns: readonly ColumnWriter[]): Buffer {
  const lengths = new ColumnWriter();
  lengths.natural(columns.length);
  for (const { bytes } of columns) lengths.natural(bytes.length);
  return Buffer.concat([lengths.bytes, ...columns.map(({ bytes }) => bytes)]);
}

/** @throws MalformedPush */
export function splitColumns(bytes: Buffer, columnsMax: number): ColumnReader[] {
  const reader = new ColumnReader(bytes);
  const count = reader.natural();
  if (count > columnsMax) throw new MalformedPush('packed: too many columns');
  const lengths = Array.from({ length: count }, () => reader.natural());
  const columns = lengths.map((length) => new ColumnReader(reader.take(length)));
  if (!reader.isAtEnd) throw new MalformedPush('packed: bytes after the last column');
  return columns;
}

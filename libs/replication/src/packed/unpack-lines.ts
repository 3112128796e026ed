import { MalformedPush, PUSH_DECOMPRESSED_BYTES_MAX } from '../push.js';
import { splitColumns } from './columns.js';
import { ObjectReader } from './object-readers.js';
import { Reading } from './readers.js';
import { COLUMNS_MAX } from './tracks.js';

/** `bytes` are JSON for `value`, whoever packed it: `JSON.parse` of them gives the same. */
export type UnpackedLine = { value: Record<string, unknown>; bytes: Buffer };

/**
 * Takes apart what a `LinePacker` made, line by line. Trusts nothing: a place has a bounded depth, a line a bounded length
 * that is counted while it is read, before it is written as text, and all lines together the length that a push may have.
 */
export class LineUnpacker {
  private readonly reading: Reading;
  private readonly root: ObjectReader;
  private bytesLeft: number;

  /** @throws MalformedPush */
  constructor(packed: Buffer, bytesMax = PUSH_DECOMPRESSED_BYTES_MAX) {
    this.reading = new Reading(splitColumns(packed, COLUMNS_MAX));
    this.root = new ObjectReader(this.reading, '', 0);
    this.bytesLeft = bytesMax;
  }

  /** @throws MalformedPush, also when there is no further line */
  next(): UnpackedLine {
    const { text } = this.reading;
    text.begin();
    const value = this.root.read();
    const bytes = text.end();
    this.bytesLeft -= bytes.length;
    if (this.bytesLeft < 0) throw new MalformedPush('packed: more than a push may hold');
    return { value, bytes };
  }

  /** @throws MalformedPush when something was sent that no line is made of */
  end(): void {
    this.reading.end();
  }
}

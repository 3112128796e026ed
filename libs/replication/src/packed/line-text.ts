import { LINE_BYTES_MAX } from '../line.js';
import { MalformedPush } from '../push.js';

const ROOM_BYTES = 256 * 1024;
/** JSON says a character in at most six bytes. */
const BYTES_A_CHARACTER_MAX = 6;

const [QUOTE, BACKSLASH, MINUS, ZERO] = [0x22, 0x5c, 0x2d, 0x30];
const DIGITS_MAX = 16;
const SMALL_MAX = 2 ** 30;

/**
 * The lines' bytes, as they are written. Byte by byte: a text joined of two hundred pieces took twice as long, and many
 * lines share a piece of memory, for one of its own for each took as long as to write it.
 */
export class LineText {
  private room = Buffer.alloc(0);
  private from = 0;
  private at = 0;
  private readonly digits = new Uint8Array(DIGITS_MAX);

  begin(): void {
    this.from = this.at;
  }

  /** The line since `begin`. */
  end(): Buffer {
    return this.room.subarray(this.from, this.at);
  }

  /** What leads to a value. A loop: for so few bytes it is faster than a call that copies them. */
  bytes(lead: Uint8Array): void {
    const { length } = lead;
    this.reserve(length);
    const { room, at } = this;
    for (let place = 0; place < length; place += 1) room[at + place] = lead[place] as number;
    this.at = at + length;
  }

  byte(value: number): void {
    this.reserve(1);
    this.room[this.at++] = value;
  }

  /** @param value an integer of at most 16 digits */
  integer(value: number): void {
    this.reserve(DIGITS_MAX + 1);
    const { room, digits } = this;
    let { at } = this;
    let rest = value < 0 ? -value : value;
    if (value < 0) room[at++] = MINUS;
    let count = 0;
    // Instants are beyond 32 bits, whose division is the slower one.
    for (; rest > SMALL_MAX; count += 1) {
      const higher = Math.floor(rest / 10);
      digits[count] = ZERO + (rest - higher * 10);
      rest = higher;
    }
    do {
      const higher = (rest / 10) | 0;
      digits[count++] = ZERO + (rest - higher * 10);
      rest = higher;
    } while (rest > 0);
    while (count > 0) room[at++] = digits[--count] as number;
    this.at = at;
  }

  /** A text in its quotes. */
  quoted(text: string): void {
    const { length } = text;
    this.reserve(length + 2);
    const { room } = this;
    let at = this.at;
    room[at++] = QUOTE;
    for (let place = 0; place < length; place += 1) {
      const unit = text.charCodeAt(place);
      if (unit < 0x20 || unit > 0x7e || unit === QUOTE || unit === BACKSLASH) return this.utf8(JSON.stringify(text));
      room[at++] = unit;
    }
    room[at++] = QUOTE;
    this.at = at;
  }

  utf8(text: string): void {
    this.reserve(Buffer.byteLength(text));
    this.at += this.room.write(text, this.at, 'utf8');
  }

  /** @throws MalformedPush: no line is as long */
  private reserve(bytes: number): void {
    const length = this.at - this.from;
    if (length + bytes > LINE_BYTES_MAX * BYTES_A_CHARACTER_MAX || length > LINE_BYTES_MAX)
      throw new MalformedPush(`packed: a line over ${LINE_BYTES_MAX} bytes`);
    if (this.at + bytes <= this.room.length) return;
    const grown = Buffer.allocUnsafe(Math.max(ROOM_BYTES, 2 * (length + bytes)));
    this.room.copy(grown, 0, this.from, this.at);
    this.room = grown;
    this.at = length;
    this.from = 0;
  }
}

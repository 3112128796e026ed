import type { ColumnWriter } from './columns.js';
import { TextWriter } from './text-writer.js';
import { NumberTrack, type Registers, type Type } from './tracks.js';

/** A line that is not what JSON.stringify writes of it, or beyond a limit: the push goes as NDJSON. */
export class NotPackable extends Error {}

/**
 * What a line says, in the order of its text: shapes of objects, lengths of arrays and types of their elements, numbers,
 * texts. Taken down whole before any of it is written, so that a line that turns out otherwise leaves nothing behind.
 */
export type Notes = (number | string | Shape)[];

/** What the places of one push share. Columns come to the reader in the order in which they are asked for. */
export type Writing = {
  registers: Registers;
  newColumn(): ColumnWriter;
  /** @throws NotPackable: too many, or too far down */
  newPlace(name: string): void;
  /** @throws NotPackable: too many members, or a name too long */
  tellShape(members: readonly Member[]): void;
  /** One and those in it. @throws NotPackable: too many */
  values(within: number): void;
};

/** `lead`: what stands in the text up to the member's value; of true, false and null the value, too. */
export type Member = { name: string; type: Type; place: Place | null; lead: string };
export type Shape = {
  members: Member[];
  /** Under which the reader knows it, once it was told. */
  code: number | null;
};

/** Where values of one type stand. */
export interface Place {
  /** Takes a value down from JSON without escapes. @returns where it ends; −1: it is not what is known of this place */
  scan(text: string, at: number, notes: Notes): number;
  /** Takes a parsed value down; what is new about it is known from then on. @throws NotPackable */
  take(value: unknown, notes: Notes): void;
  /** @param at of its first note @returns where its notes end */
  write(notes: Notes, at: number): number;
}

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
/** Below `INTEGER_MAX` whatever they are. */
const SCANNED_DIGITS_MAX = 15;

export class NumberPlace implements Place {
  private readonly column: ColumnWriter;

  constructor(
    writing: Writing,
    name: string,
    private readonly track = new NumberTrack(name, writing.registers),
  ) {
    this.column = writing.newColumn();
  }

  scan(text: string, at: number, notes: Notes): number {
    const isNegative = text.charCodeAt(at) === MINUS;
    const first = isNegative ? at + 1 : at;
    let value = 0;
    let end = first;
    for (; end <= first + SCANNED_DIGITS_MAX; end += 1) {
      const digit = text.charCodeAt(end) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const digits = end - first;
    if (digits === 0 || digits > SCANNED_DIGITS_MAX) return -1;
    // JSON has neither 007 nor, as it is written here, −0.
    if (text.charCodeAt(first) === ZERO && (digits > 1 || isNegative)) return -1;
    notes.push(isNegative ? -value : value);
    return end;
  }

  take(value: unknown, notes: Notes): void {
    notes.push(value as number);
  }

  write(notes: Notes, at: number): number {
    this.writeNumber(notes[at] as number);
    return at + 1;
  }

  writeNumber(value: number): void {
    this.column.integer(value - this.track.guess());
    this.track.learn(value);
  }
}

export class TextPlace implements Place {
  private readonly writer: TextWriter;

  constructor({ registers, newColumn }: Writing, name: string) {
    this.writer = new TextWriter(name, registers, newColumn);
  }

  scan(text: string, at: number, notes: Notes): number {
    if (text.charCodeAt(at) !== QUOTE) return -1;
    const end = text.indexOf('"', at + 1);
    if (end < 0) return -1;
    notes.push(text.slice(at + 1, end));
    return end + 1;
  }

  take(value: unknown, notes: Notes): void {
    notes.push(value as string);
  }

  write(notes: Notes, at: number): number {
    this.writer.write(notes[at] as string);
    return at + 1;
  }
}

/** Numbers that are not integers, as the text that JSON has for them. Too rare to be scanned. */
export class FractionPlace extends TextPlace {
  override scan(): number {
    return -1;
  }

  override take(value: unknown, notes: Notes): void {
    notes.push(JSON.stringify(value));
  }
}

import { MalformedPush } from '../push.js';
import { ColumnReader, INTEGER_MAX } from './columns.js';
import { LineText } from './line-text.js';
import {
  MEMBERS_TOLD_MAX,
  NumberTrack,
  PLACE_CHARACTERS_MAX,
  Registers,
  SAID,
  TextTrack,
  TRACKS_MAX,
  UUID_CHANCE_BYTES,
  VALUES_MAX,
  countedOn,
  digitsFrom,
} from './tracks.js';

/** What the readers of all places share. */
export class Reading {
  readonly registers = new Registers();
  readonly shapes: ColumnReader;
  private readonly nameTexts: ColumnReader;
  private readonly names: string[] = [];
  private taken = 0;
  private tracks = 0;
  private membersTold = 0;
  private valuesTaken = 0;
  readonly text = new LineText();

  constructor(private readonly columns: readonly ColumnReader[]) {
    this.shapes = this.column();
    this.nameTexts = this.column();
  }

  column(): ColumnReader {
    const column = this.columns[this.taken++];
    if (column === undefined) throw new MalformedPush('packed: a column is missing');
    return column;
  }

  /** @throws MalformedPush */
  track(place: string): void {
    this.tracks += 1;
    if (this.tracks > TRACKS_MAX) throw new MalformedPush('packed: too many places');
    if (place.length > PLACE_CHARACTERS_MAX) throw new MalformedPush('packed: a place too far down');
  }

  /** Of one more shape. @throws MalformedPush */
  members(count: number): void {
    this.membersTold += count;
    if (this.membersTold > MEMBERS_TOLD_MAX) throw new MalformedPush('packed: too many members of shapes');
  }

  /** One and those in it. @throws MalformedPush */
  values(within: number): void {
    this.valuesTaken += 1 + within;
    if (this.valuesTaken > VALUES_MAX) throw new MalformedPush('packed: too many values');
  }

  name(): string {
    const code = this.shapes.natural();
    if (code > 0) return present(this.names[code - 1]);
    const bytes = this.nameTexts.natural();
    if (bytes > PLACE_CHARACTERS_MAX * 3) throw new MalformedPush('packed: a name too long');
    const name = this.nameTexts.text(bytes, 'utf8');
    if (name.length > PLACE_CHARACTERS_MAX) throw new MalformedPush('packed: a name too long');
    if (name === '__proto__') throw new MalformedPush('packed: a name that is none');
    this.names.push(name);
    return name;
  }

  end(): void {
    if (this.taken !== this.columns.length || !this.columns.every(({ isAtEnd }) => isAtEnd))
      throw new MalformedPush('packed: more than the lines that are announced');
  }
}

export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new MalformedPush('packed: points at what was not said');
  return value;
}

function readText(column: ColumnReader): string {
  return column.text(column.natural(), 'utf8');
}

export interface ValueReader {
  read(): unknown;
}

export class ConstantReader implements ValueReader {
  private readonly bytes: Uint8Array;

  constructor(
    private readonly text: LineText,
    private readonly value: null | boolean,
  ) {
    this.bytes = Buffer.from(String(value));
  }

  read(): null | boolean {
    this.text.bytes(this.bytes);
    return this.value;
  }
}

export class NumberReader implements ValueReader {
  private readonly column: ColumnReader;
  private readonly text: LineText;

  constructor(
    reading: Reading,
    place: string,
    private readonly track = new NumberTrack(place, reading.registers),
  ) {
    this.column = reading.column();
    this.text = reading.text;
  }

  read(): number {
    const value = this.readNumber();
    this.text.integer(value);
    return value;
  }

  readNumber(): number {
    const value = this.track.guess() + this.column.integer();
    if (!(Math.abs(value) <= INTEGER_MAX)) throw new MalformedPush('packed: a number too large');
    this.track.learn(value);
    return value;
  }
}

export class TextReader implements ValueReader {
  private readonly track: TextTrack;
  private readonly said: ColumnReader;
  private readonly texts: ColumnReader;
  private readonly numbers: ColumnReader;
  private readonly chances: ColumnReader;
  private readonly hashes: ColumnReader;
  private readonly text: LineText;

  constructor(reading: Reading, place: string) {
    this.text = reading.text;
    this.track = new TextTrack(place, reading.registers);
    this.said = reading.column();
    this.texts = reading.column();
    this.numbers = reading.column();
    this.chances = reading.column();
    this.hashes = reading.column();
  }

  read(): string {
    const text = this.readText();
    this.text.quoted(text);
    return text;
  }

  readText(): string {
    const { track } = this;
    const said = this.said.natural();
    if (said === SAID.guessed) {
      const text = track.guess();
      if (text === null) throw new MalformedPush('packed: points at what was not said');
      track.learn(text, track.guessedCode());
      return text;
    }
    const code = said >= SAID.kept ? said - SAID.kept + 1 : 0;
    const text = code > 0 ? present(track.textOf(code)) : this.readAnew(said);
    track.learn(text, code);
    return text;
  }

  private readAnew(said: number): string {
    const { track } = this;
    switch (said) {
      case SAID.text:
        return (track.said = readText(this.texts));
      case SAID.digits: {
        const from = digitsFrom(track.said);
        return (track.said = track.said.slice(0, from) + this.texts.text(track.said.length - from, 'latin1'));
      }
      case SAID.uuid:
        return this.readUuid();
      case SAID.hash:
        return this.hashes.text(32, 'hex');
      default: {
        const counted = countedOn(track.lastTold() ?? '', this.numbers.natural());
        if (counted === null) throw new MalformedPush('packed: points at what was not said');
        return counted;
      }
    }
  }

  private readUuid(): string {
    const { track } = this;
    const ms = track.uuidMs + this.numbers.integer();
    if (!(ms >= 0 && ms < 2 ** 48)) throw new MalformedPush('packed: a number too large');
    track.uuidMs = ms;
    const time = ms.toString(16).padStart(12, '0');
    const chance = this.chances.text(UUID_CHANCE_BYTES, 'hex');
    return `${time.slice(0, 8)}-${time.slice(8)}-${chance.slice(0, 4)}-${chance.slice(4, 8)}-${chance.slice(8)}`;
  }
}

/** A number as JSON has it. */
export class FractionReader implements ValueReader {
  private readonly texts: TextReader;
  private readonly text: LineText;

  constructor(reading: Reading, place: string) {
    this.text = reading.text;
    this.texts = new TextReader(reading, place);
  }

  read(): number {
    const text = this.texts.readText();
    const value = Number(text);
    // JSON writes null for what is no number: the text would say one thing and the value another.
    if (!Number.isFinite(value) || JSON.stringify(value) !== text)
      throw new MalformedPush('packed: a number that JSON writes otherwise');
    this.text.utf8(text);
    return value;
  }
}

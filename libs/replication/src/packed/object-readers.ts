import { MalformedPush } from '../push.js';
import type { ColumnReader } from './columns.js';
import {
  ConstantReader,
  FractionReader,
  NumberReader,
  TextReader,
  present,
  type Reading,
  type ValueReader,
} from './readers.js';
import { ArrayTrack, DEPTH_MAX, MEMBERS_MAX, SHAPES_OF_A_PLACE_MAX, TYPE, TYPES_COUNT, type Type } from './tracks.js';

const [ARRAY_BEGIN, ARRAY_END, OBJECT_BEGIN, OBJECT_END, COMMA] = [0x5b, 0x5d, 0x7b, 0x7d, 0x2c];

type JsonObject = Record<string, unknown>;

function readerOf(reading: Reading, type: number, place: string, depth: number): ValueReader {
  if (type === TYPE.null) return new ConstantReader(reading.text, null);
  if (type <= TYPE.false) return new ConstantReader(reading.text, type === TYPE.true);
  reading.track(place);
  if (depth > DEPTH_MAX) throw new MalformedPush('packed: nested too deep');
  if (type === TYPE.integer) return new NumberReader(reading, place);
  if (type === TYPE.number) return new FractionReader(reading, `${place}~`);
  if (type === TYPE.text) return new TextReader(reading, place);
  if (type === TYPE.array) return new ArrayReader(reading, place, depth);
  if (type === TYPE.object) return new ObjectReader(reading, `${place}.`, depth);
  throw new MalformedPush('packed: a value of no type');
}

class ArrayReader implements ValueReader {
  private readonly track: ArrayTrack;
  private readonly lengths: NumberReader;
  private readonly types: ColumnReader;
  private readonly elements = new Array<ValueReader | undefined>(TYPES_COUNT);

  constructor(
    private readonly reading: Reading,
    place: string,
    private readonly depth: number,
  ) {
    this.track = new ArrayTrack(place, reading.registers);
    this.lengths = new NumberReader(reading, '', this.track.length);
    this.types = reading.column();
  }

  read(): unknown[] {
    const { track, types, elements, reading } = this;
    const length = this.lengths.readNumber();
    reading.values(length);
    track.begin();
    reading.text.byte(ARRAY_BEGIN);
    const values: unknown[] = [];
    // Each takes a byte of its column, so that a length made up ends where the bytes do.
    for (let position = 1; position <= length; position += 1) {
      track.position.number = position;
      const type = types.byte();
      let reader = elements[type];
      if (reader === undefined) {
        reader = readerOf(reading, type, `${track.place}[]`, this.depth + 1);
        elements[type] = reader;
      }
      if (position > 1) reading.text.byte(COMMA);
      values.push(reader.read());
    }
    reading.text.byte(ARRAY_END);
    return values;
  }
}

/** `lead`: what stands in the text up to the member's value. */
type Member = { name: string; lead: Uint8Array; reader: ValueReader };
type Shape = readonly Member[];

export class ObjectReader implements ValueReader {
  private readonly shapes: Shape[] = [];
  private last: Shape | undefined;
  private readonly readers = new Map<string, ValueReader>();
  private readonly column: ColumnReader;

  constructor(
    private readonly reading: Reading,
    private readonly place: string,
    private readonly depth: number,
  ) {
    this.column = reading.column();
  }

  read(): JsonObject {
    const { text } = this.reading;
    const code = this.column.natural();
    if (code > 0) this.last = code === 1 ? this.hear() : this.shapes[code - 2];
    const shape = present(this.last);
    this.reading.values(shape.length);
    const value: JsonObject = {};
    if (shape.length === 0) text.byte(OBJECT_BEGIN);
    for (const { name, lead, reader } of shape) {
      text.bytes(lead);
      value[name] = reader.read();
    }
    text.byte(OBJECT_END);
    return value;
  }

  private hear(): Shape {
    const { shapes } = this.reading;
    const count = shapes.natural();
    if (count > MEMBERS_MAX || this.shapes.length === SHAPES_OF_A_PLACE_MAX)
      throw new MalformedPush('packed: more shapes or members than any line has');
    this.reading.members(count);
    const names = new Set<string>();
    const shape: Member[] = [];
    for (let at = 0; at < count; at += 1) {
      const type = shapes.byte() as Type;
      const name = this.reading.name();
      names.add(name);
      const lead = Buffer.from(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`, 'utf8');
      shape.push({ name, lead, reader: this.readerFor(name, type) });
    }
    if (names.size !== count) throw new MalformedPush('packed: a name twice in one object');
    this.shapes.push(shape);
    return shape;
  }

  private readerFor(name: string, type: Type): ValueReader {
    const key = `${type}${name}`;
    const known = this.readers.get(key);
    if (known !== undefined) return known;
    const reader = readerOf(this.reading, type, this.place + name, this.depth + 1);
    this.readers.set(key, reader);
    return reader;
  }
}

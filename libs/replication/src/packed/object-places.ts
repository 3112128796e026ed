import { type ColumnWriter, INTEGER_MAX } from './columns.js';
import {
  FractionPlace,
  NotPackable,
  NumberPlace,
  TextPlace,
  type Member,
  type Notes,
  type Place,
  type Shape,
  type Writing,
} from './places.js';
import { ArrayTrack, DEPTH_MAX, MEMBERS_MAX, SHAPES_OF_A_PLACE_MAX, TYPE, TYPES_COUNT, type Type } from './tracks.js';

export type JsonObject = Record<string, unknown>;

function placeOf(writing: Writing, type: Type, name: string, depth: number): Place | null {
  if (type <= TYPE.false) return null;
  writing.newPlace(name);
  if (depth > DEPTH_MAX) throw new NotPackable();
  if (type === TYPE.integer) return new NumberPlace(writing, name);
  if (type === TYPE.number) return new FractionPlace(writing, `${name}~`);
  if (type === TYPE.text) return new TextPlace(writing, name);
  if (type === TYPE.array) return new ArrayPlace(writing, name, depth);
  return new ObjectPlace(writing, `${name}.`, depth);
}

function typeOf(value: unknown): Type {
  if (typeof value === 'string') return TYPE.text;
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) <= INTEGER_MAX ? TYPE.integer : TYPE.number;
  if (value === null) return TYPE.null;
  if (typeof value === 'boolean') return value ? TYPE.true : TYPE.false;
  return Array.isArray(value) ? TYPE.array : TYPE.object;
}

const COMMA = 0x2c;
const ARRAY_END = 0x5d;

class ArrayPlace implements Place {
  private readonly track: ArrayTrack;
  private readonly lengths: NumberPlace;
  private readonly types: ColumnWriter;
  private readonly elements = new Array<Place | null | undefined>(TYPES_COUNT);

  constructor(
    private readonly writing: Writing,
    name: string,
    private readonly depth: number,
  ) {
    this.track = new ArrayTrack(name, writing.registers);
    this.lengths = new NumberPlace(writing, '', this.track.length);
    this.types = writing.newColumn();
  }

  scan(text: string, at: number, notes: Notes): number {
    if (text[at] !== '[') return -1;
    const lengthAt = notes.push(0) - 1;
    if (text.charCodeAt(at + 1) === ARRAY_END) return at + 2;
    let length = 0;
    for (let from = at + 1; ; from += 1) {
      const type = scannedType(text[from]);
      const place = type === null ? null : this.elements[type];
      if (type === null || !place) return -1;
      notes.push(type);
      from = place.scan(text, from, notes);
      if (from < 0) return -1;
      length += 1;
      const next = text.charCodeAt(from);
      if (next === COMMA) continue;
      if (next !== ARRAY_END) return -1;
      notes[lengthAt] = length;
      return from + 1;
    }
  }

  take(value: unknown, notes: Notes): void {
    const elements = value as unknown[];
    notes.push(elements.length);
    for (const element of elements) {
      const type = typeOf(element);
      notes.push(type);
      let place = this.elements[type];
      if (place === undefined) {
        place = placeOf(this.writing, type, `${this.track.place}[]`, this.depth + 1);
        this.elements[type] = place;
      }
      place?.take(element, notes);
    }
  }

  write(notes: Notes, at: number): number {
    const { track, types, elements } = this;
    const length = notes[at] as number;
    this.writing.values(length);
    this.lengths.writeNumber(length);
    track.begin();
    let next = at + 1;
    for (let position = 1; position <= length; position += 1) {
      track.position.number = position;
      const type = notes[next] as number;
      types.byte(type);
      next = elements[type]?.write(notes, next + 1) ?? next + 1;
    }
    return next;
  }
}

/** What begins so, where it is something that is scanned. */
function scannedType(first: string | undefined): Type | null {
  if (first === '{') return TYPE.object;
  if (first === '"') return TYPE.text;
  return first !== undefined && first >= '-' && first <= '9' ? TYPE.integer : null;
}

const CONSTANTS: Partial<Record<Type, string>> = { [TYPE.null]: 'null', [TYPE.true]: 'true', [TYPE.false]: 'false' };

export class ObjectPlace implements Place {
  private readonly shapes: Shape[] = [];
  private told = 0;
  private lastScanned: Shape | null = null;
  private lastWritten: Shape | null = null;
  private readonly places = new Map<string, Place | null>();
  private readonly column: ColumnWriter;

  constructor(
    private readonly writing: Writing,
    private readonly name: string,
    private readonly depth: number,
  ) {
    this.column = writing.newColumn();
  }

  scan(text: string, at: number, notes: Notes): number {
    const last = this.lastScanned;
    const end = last === null ? -1 : scanAs(last, text, at, notes);
    if (end >= 0) return end;
    for (const shape of this.shapes) {
      if (shape === last) continue;
      const ending = scanAs(shape, text, at, notes);
      if (ending < 0) continue;
      this.lastScanned = shape;
      return ending;
    }
    return -1;
  }

  take(value: unknown, notes: Notes): void {
    const object = value as JsonObject;
    const names = Object.keys(object);
    const shape = this.shapes.find((known) => isOf(known, object, names)) ?? this.newShape(object, names);
    this.lastScanned = shape;
    notes.push(shape);
    for (const { name, place } of shape.members) place?.take(object[name], notes);
  }

  /** 0: the shape of the last one here; 1: a new one, which is told; from 2 on those that were told. */
  write(notes: Notes, at: number): number {
    const shape = notes[at] as Shape;
    this.writing.values(shape.members.length);
    if (shape.code === null) {
      this.column.byte(1);
      this.writing.tellShape(shape.members);
      shape.code = this.told++;
    } else if (shape === this.lastWritten) {
      this.column.byte(0);
    } else {
      this.column.natural(2 + shape.code);
    }
    this.lastWritten = shape;
    let next = at + 1;
    for (const { place } of shape.members) if (place !== null) next = place.write(notes, next);
    return next;
  }

  private newShape(object: JsonObject, names: readonly string[]): Shape {
    if (names.length > MEMBERS_MAX || this.shapes.length === SHAPES_OF_A_PLACE_MAX) throw new NotPackable();
    const members = names.map((name, at): Member => {
      const type = typeOf(object[name]);
      const lead = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:${CONSTANTS[type] ?? ''}`;
      return { name, type, place: this.placeFor(name, type), lead };
    });
    const shape = { members, code: null };
    this.shapes.push(shape);
    return shape;
  }

  private placeFor(name: string, type: Type): Place | null {
    const key = `${type}${name}`;
    const known = this.places.get(key);
    if (known !== undefined) return known;
    const place = placeOf(this.writing, type, this.name + name, this.depth + 1);
    this.places.set(key, place);
    return place;
  }
}

/** Leaves no note where it fails. */
function scanAs(shape: Shape, text: string, at: number, notes: Notes): number {
  const before = notes.length;
  notes.push(shape);
  let from = at;
  for (const { lead, place } of shape.members) {
    if (!text.startsWith(lead, from)) return forget(notes, before);
    from += lead.length;
    if (place === null) continue;
    from = place.scan(text, from, notes);
    if (from < 0) return forget(notes, before);
  }
  if (shape.members.length === 0) return text.startsWith('{}', at) ? at + 2 : forget(notes, before);
  return text[from] === '}' ? from + 1 : forget(notes, before);
}

function forget(notes: Notes, from: number): -1 {
  notes.length = from;
  return -1;
}

function isOf({ members }: Shape, object: JsonObject, names: readonly string[]): boolean {
  return (
    members.length === names.length &&
    members.every(({ name, type }, at) => name === names[at] && type === typeOf(object[name]))
  );
}

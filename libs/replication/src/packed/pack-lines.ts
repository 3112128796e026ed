import { isUtf8 } from 'node:buffer';
import { LINE_BYTES_MAX } from '../line.js';
import { ColumnWriter, joinColumns } from './columns.js';
import { ObjectPlace, type JsonObject } from './object-places.js';
import { NotPackable, type Notes, type Writing } from './places.js';
import { writeText } from './text-writer.js';
import { MEMBERS_TOLD_MAX, PLACE_CHARACTERS_MAX, Registers, TRACKS_MAX, VALUES_MAX } from './tracks.js';

/**
 * Says lines by their values instead of by their text: each place of the lines (`body.lines[].product`) has columns of its
 * own, and what can be told from what was said before costs a bit or none. With brotli after it a sale of five lines takes
 * 60 to 80 bytes, 140 to 170 as NDJSON. One packer a push.
 */
export class LinePacker {
  private readonly columns: ColumnWriter[] = [];
  private readonly root: ObjectPlace;
  private broken = false;

  constructor() {
    const newColumn = (): ColumnWriter => {
      const column = new ColumnWriter();
      this.columns.push(column);
      return column;
    };
    this.root = new ObjectPlace(newWriting(newColumn), '', 0);
  }

  /** @returns false: these lines cannot be packed, this one or one before it; they are sent as they are */
  add(line: Buffer): boolean {
    if (this.broken) return false;
    try {
      this.root.write(this.notesOf(line), 0);
      return true;
    } catch (error) {
      if (!(error instanceof NotPackable)) throw error;
      this.broken = true;
      return false;
    }
  }

  finish(): Buffer {
    if (this.broken) throw new Error('a packer that gave up has nothing to give');
    return joinColumns(this.columns);
  }

  /** Whoever unpacks the line writes it as JSON.stringify does: its bytes must be those. */
  private notesOf(line: Buffer): Notes {
    const text = line.toString('utf8');
    if (line.length > LINE_BYTES_MAX || !isUtf8(line)) throw new NotPackable();
    const notes: Notes = [];
    // A line like those before it is taken down as it is read, which takes a third of the time.
    if (!NOT_VERBATIM.test(text) && this.root.scan(text, 0, notes) === text.length) return notes;
    notes.length = 0;
    const value = parsed(text);
    this.root.take(value, notes);
    // Last: what is nested without end has been stopped by then.
    if (JSON.stringify(value) !== text) throw new NotPackable();
    return notes;
  }
}

/** Only without them does a text stand in JSON just as it is. */
// eslint-disable-next-line no-control-regex -- control characters are what JSON escapes
const NOT_VERBATIM = /[\\\x00-\x1f]/;

function parsed(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotPackable();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotPackable();
  // Half a surrogate pair can only be said by an escape: UTF-8 cannot hold it.
  if (text.includes('\\ud') || text.includes('"__proto__":')) throw new NotPackable();
  return value as JsonObject;
}

function newWriting(newColumn: () => ColumnWriter): Writing {
  const [shapes, names] = [newColumn(), newColumn()];
  const codes = new Map<string, number>();
  let [places, membersTold, valuesTaken] = [0, 0, 0];
  return {
    registers: new Registers(),
    newColumn,
    newPlace(name) {
      places += 1;
      if (places > TRACKS_MAX || name.length > PLACE_CHARACTERS_MAX) throw new NotPackable();
    },
    values(within) {
      valuesTaken += 1 + within;
      if (valuesTaken > VALUES_MAX) throw new NotPackable();
    },
    tellShape(members) {
      membersTold += members.length;
      const isLong = members.some(({ name }) => name.length > PLACE_CHARACTERS_MAX);
      if (isLong || membersTold > MEMBERS_TOLD_MAX) throw new NotPackable();
      shapes.natural(members.length);
      for (const { name, type } of members) {
        shapes.byte(type);
        const code = codes.get(name);
        shapes.natural(code ?? 0);
        if (code !== undefined) continue;
        codes.set(name, codes.size + 1);
        writeText(names, name);
      }
    },
  };
}

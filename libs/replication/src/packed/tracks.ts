import { INTEGER_MAX } from './columns.js';
import { NUMBER_HINTS, TEXT_HINTS, Register, type BegunArray, type TextHint } from './guesses.js';

/** Above what any line of ours comes near; a push that goes beyond them is not packed, or is refused. */
export const TRACKS_MAX = 4_096;
export const DEPTH_MAX = 24;
export const SHAPES_OF_A_PLACE_MAX = 256;
export const MEMBERS_MAX = 512;
/** Members of all shapes that are told: a name costs its reader a hundred times what it costs to say it again. */
export const MEMBERS_TOLD_MAX = 65_536;
/** Values of all lines: as few bytes as one takes, in memory it takes fifty. */
export const VALUES_MAX = 2_000_000;
/** Also of a name. V8 tells long texts apart by their length alone: thousands of one length would be compared each with each. */
export const PLACE_CHARACTERS_MAX = 1_000;
/** Texts of a place that are kept to point at; longer ones are not. */
const KEPT_MAX = 50_000;
const KEPT_CHARACTERS_MAX = 1_000;

export const COLUMNS_OF_TEXT = 5;
/** The shapes of objects, the names of members. */
export const COLUMNS_SHARED = 2;
/** One is of the lines themselves. */
export const COLUMNS_MAX = COLUMNS_SHARED + 1 + TRACKS_MAX * COLUMNS_OF_TEXT;

/** What a value is, beside what it says. True, false and null say nothing more. */
export const TYPE = { null: 0, true: 1, false: 2, integer: 3, number: 4, text: 5, array: 6, object: 7 } as const;
export type Type = (typeof TYPE)[keyof typeof TYPE];
export const TYPES_COUNT = 8;

/** How a text is said: as guessed, anew in one of several ways, or (from `kept` on) as one that was said before. */
export const SAID = { guessed: 0, text: 1, uuid: 2, hash: 3, digits: 4, counted: 5, kept: 6 } as const;

/** Of a UUID of version 7 the first 48 bits are a time, near that of its neighbours; the rest is chance. */
export const UUID_CHANCE_BYTES = 10;

/** All registers of a push, by their places. */
export class Registers {
  private readonly byPlace = new Map<string, Register>();
  private readonly arrays = new Map<string, BegunArray>();

  readonly at = (place: string): Register => {
    const known = this.byPlace.get(place);
    if (known !== undefined) return known;
    const brackets = place.lastIndexOf('[]');
    const register = new Register(this.array(brackets < 0 ? '' : place.slice(0, brackets + 2)));
    this.byPlace.set(place, register);
    return register;
  };

  /** @param place with `[]` */
  array(place: string): BegunArray {
    const known = this.arrays.get(place);
    if (known !== undefined) return known;
    const array = { begun: 0 };
    this.arrays.set(place, array);
    return array;
  }
}

/** The numbers of one place: what the next one most likely is. The same at both ends, since only what was told moves it. */
export class NumberTrack {
  readonly register: Register;
  private readonly teller: Register | null;
  private readonly plus: number;
  /** Null: the last one. */
  private readonly guesses: (() => number)[] | null;
  /** How far off each of several guesses was, the latest counting most. */
  private readonly errors: number[];

  constructor(place: string, registers: Registers) {
    const hint = Object.hasOwn(NUMBER_HINTS, place) ? NUMBER_HINTS[place] : undefined;
    this.register = registers.at(place);
    this.teller = hint !== undefined && 'from' in hint ? registers.at(hint.from) : null;
    this.plus = hint !== undefined && 'from' in hint ? (hint.plus ?? 0) : 0;
    this.guesses = hint !== undefined && 'guesses' in hint ? hint.guesses(registers.at) : null;
    this.errors = (this.guesses ?? []).map(() => 0);
  }

  guess(): number {
    const { register, teller, guesses } = this;
    if (teller !== null) return (register.numberFor[teller.code] ?? register.number) + this.plus;
    if (guesses === null) return register.number;
    return sane((guesses[guesses.length === 1 ? 0 : this.bestGuess()] as () => number)());
  }

  learn(value: number): void {
    const { register, teller } = this;
    if (this.errors.length > 1) this.weigh(value);
    register.number = value;
    register.add(value);
    if (teller !== null) register.numberFor[teller.code] = value;
  }

  private weigh(value: number): void {
    const { errors, guesses } = this;
    for (const [at, guess] of (guesses ?? []).entries()) {
      errors[at] = ((errors[at] as number) + Math.abs(value - sane(guess()))) / 2;
    }
  }

  private bestGuess(): number {
    const { errors } = this;
    return errors.indexOf(Math.min(...errors));
  }
}

/** A guess may come of nonsense: whatever it says, the difference to it must be exact. */
function sane(guess: number): number {
  return Number.isInteger(guess) && Math.abs(guess) <= INTEGER_MAX ? guess : 0;
}

/** The texts of one place. Codes: the order in which they came, from 1. */
export class TextTrack {
  readonly register: Register;
  readonly counts: boolean;
  private readonly isKept: boolean;
  private readonly teller: Register | null;
  private readonly told: (() => string | null) | null;
  /** By the teller's code. */
  private readonly before: (string | undefined)[] = [];
  private readonly codesBefore: number[] = [];
  private readonly texts: string[] = [''];
  /** Of the last one that was said anew as text or digits. */
  said = '';
  uuidMs = 0;

  constructor(place: string, registers: Registers) {
    const hint: TextHint = (Object.hasOwn(TEXT_HINTS, place) ? TEXT_HINTS[place] : undefined) ?? {};
    this.register = registers.at(place);
    this.counts = hint.counts === true;
    this.isKept = hint.once !== true;
    this.teller = hint.from === undefined ? null : registers.at(hint.from);
    this.told = hint.guess?.(registers.at) ?? null;
  }

  guess(): string | null {
    if (this.told !== null) return this.told();
    const before = this.lastTold();
    if (before === null) return null;
    return this.counts ? countedOn(before, 1) : before;
  }

  /** What stood here when its teller said the same. */
  lastTold(): string | null {
    return this.before[this.teller?.code ?? 0] ?? null;
  }

  /** Undefined: nothing was kept under this code. */
  textOf(code: number): string | undefined {
    return code === 0 ? undefined : this.texts[code];
  }

  /** @param code of the text; 0: it is new */
  learn(text: string, code: number): void {
    const { register } = this;
    const told = this.teller?.code ?? 0;
    register.text = text;
    register.code = code === 0 ? this.keep(text) : code;
    this.before[told] = text;
    this.codesBefore[told] = register.code;
  }

  /** The code that what is guessed was kept under, where it is what stood here before. */
  guessedCode(): number {
    return this.isKept ? (this.codesBefore[this.teller?.code ?? 0] ?? 0) : 0;
  }

  private keep(text: string): number {
    const isKept = this.isKept && text.length <= KEPT_CHARACTERS_MAX && this.texts.length <= KEPT_MAX;
    return isKept ? this.texts.push(text) - 1 : 0;
  }
}

const DIGITS_MAX = 15;
const ZERO = 0x30;
const NINE = 0x39;

/** Where the digits begin that a text ends in; its length: it ends in none. */
export function digitsFrom(text: string): number {
  let at = text.length;
  const least = Math.max(0, text.length - DIGITS_MAX);
  while (at > least) {
    const unit = text.charCodeAt(at - 1);
    if (unit < ZERO || unit > NINE) break;
    at -= 1;
  }
  return at;
}

/** The text with the number that it ends in so much higher, as wide as before; null where there is no such. */
export function countedOn(text: string, by: number): string | null {
  const from = digitsFrom(text);
  if (from === text.length) return null;
  const width = text.length - from;
  const digits = String(Number(text.slice(from)) + by);
  return digits.length > width ? null : text.slice(0, from) + digits.padStart(width, '0');
}

/** How many an array has, and what each of them is. */
export class ArrayTrack {
  readonly length: NumberTrack;
  readonly position: Register;
  private readonly array: BegunArray;

  constructor(
    readonly place: string,
    registers: Registers,
  ) {
    const ofElement = `${place}[]`;
    this.length = new NumberTrack(`${ofElement}#`, registers);
    this.position = registers.at(`${ofElement}@`);
    this.array = registers.array(ofElement);
  }

  begin(): void {
    this.array.begun += 1;
  }
}

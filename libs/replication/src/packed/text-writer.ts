import type { ColumnWriter } from './columns.js';
import { SAID, TextTrack, countedOn, digitsFrom, type Registers } from './tracks.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HASH = /^[0-9a-f]{64}$/;

export function writeText(column: ColumnWriter, text: string): void {
  column.natural(Buffer.byteLength(text));
  column.text(text, 'utf8');
}

/** Says the texts of one place; `unpack-lines.ts` has its counterpart. */
export class TextWriter {
  private readonly track: TextTrack;
  /** Of the texts that are kept; whoever reads has no need of it. */
  private readonly codes = new Map<string, number>();
  private readonly said: ColumnWriter;
  private readonly texts: ColumnWriter;
  private readonly numbers: ColumnWriter;
  private readonly chances: ColumnWriter;
  private readonly hashes: ColumnWriter;

  constructor(place: string, registers: Registers, newColumn: () => ColumnWriter) {
    this.track = new TextTrack(place, registers);
    this.said = newColumn();
    this.texts = newColumn();
    this.numbers = newColumn();
    this.chances = newColumn();
    this.hashes = newColumn();
  }

  write(text: string): void {
    const { track, said } = this;
    if (text === track.guess()) {
      said.byte(SAID.guessed);
      track.learn(text, track.guessedCode());
      return;
    }
    const code = this.codes.get(text) ?? 0;
    if (code > 0) said.natural(SAID.kept + code - 1);
    else this.sayAnew(text);
    track.learn(text, code);
    if (code === 0 && track.register.code > 0) this.codes.set(text, track.register.code);
  }

  private sayAnew(text: string): void {
    const { track, said, numbers } = this;
    if (text.length === 36 && UUID.test(text)) {
      said.byte(SAID.uuid);
      const ms = Number.parseInt(text.slice(0, 8) + text.slice(9, 13), 16);
      numbers.integer(ms - track.uuidMs);
      track.uuidMs = ms;
      this.chances.text(text.slice(14, 18) + text.slice(19, 23) + text.slice(24), 'hex');
    } else if (text.length === 64 && HASH.test(text)) {
      said.byte(SAID.hash);
      this.hashes.text(text, 'hex');
    } else if (!this.sayCounted(text)) {
      this.sayText(text);
    }
  }

  private sayCounted(text: string): boolean {
    const { track } = this;
    const before = track.counts ? track.lastTold() : null;
    if (before === null) return false;
    const by = Number(text.slice(digitsFrom(text))) - Number(before.slice(digitsFrom(before)));
    if (!(by >= 0 && by < 1000) || countedOn(before, by) !== text) return false;
    this.said.byte(SAID.counted);
    this.numbers.natural(by);
    return true;
  }

  private sayText(text: string): void {
    const { track, said, texts } = this;
    const from = digitsFrom(text);
    const isLikeLast =
      from < text.length &&
      text.length === track.said.length &&
      digitsFrom(track.said) === from &&
      text.startsWith(track.said.slice(0, from));
    track.said = text;
    if (isLikeLast) {
      said.byte(SAID.digits);
      texts.text(text.slice(from), 'latin1');
    } else {
      said.byte(SAID.text);
      writeText(texts, text);
    }
  }
}

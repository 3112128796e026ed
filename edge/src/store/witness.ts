import { createHash } from 'node:crypto';
import { closeSync, fdatasync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { makeFolder } from '@branchline/http/make-folder.js';
import { z } from 'zod';

const SLOT_BYTES = 8 * 1024;
const CHECKSUM_BYTES = 32;
const HEADER_BYTES = CHECKSUM_BYTES + 4;
const SYNC_INTERVAL_MS = 1_000;

const stateSchema = z.object({
  generation: z.int().min(1),
  incarnation: z.string(),
  epoch: z.int().min(1),
  seq: z.int().min(1),
  hash: z.string(),
  /** Last receipt number per till and series, as `till/series`. */
  counters: z.record(z.string(), z.int()),
});

export type WitnessState = Omit<z.infer<typeof stateSchema>, 'generation'>;

/**
 * What the file last committed, told outside the database: two checksummed slots written in turn, so that a torn write
 * spoils only one. Written before the answers go out, synced each second and on acknowledgement. Failing to write it
 * alarms and never refuses a sale.
 */
export class Witness {
  private generation: number;
  private dirty = false;
  /** A sync that runs beside the loop, of which nobody knows yet whether it came to its end. */
  private isSyncing = false;
  /** What was said last and still holds: told once, not with every group of sales. */
  private told: string | null = null;
  private timer: NodeJS.Timeout | null = null;

  private constructor(
    private readonly file: number,
    generation: number,
    readonly found: WitnessState | null,
    private readonly alarm: (message: string) => void,
  ) {
    this.generation = generation;
  }

  /** @throws EnvironmentFailure when the place cannot be written at all: that is mended before the store opens, not after */
  static open(path: string, alarm: (message: string) => void): Witness {
    try {
      makeFolder(dirname(path), 0o700);
      closeSync(openSync(path, 'a', 0o600));
      const file = openSync(path, 'r+');
      const newest = newestState(file);
      return new Witness(file, newest?.generation ?? 0, newest, alarm);
    } catch (error) {
      throw new EnvironmentFailure(`the witness file ${path} cannot be opened: ${(error as Error).message}`);
    }
  }

  /** What the file says, without becoming its writer; null where there is none, or none that is whole. */
  static read(path: string): WitnessState | null {
    let file: number;
    try {
      file = openSync(path, 'r');
    } catch {
      return null;
    }
    try {
      return newestState(file);
    } finally {
      closeSync(file);
    }
  }

  write(state: WitnessState): void {
    this.generation += 1;
    const text = Buffer.from(JSON.stringify({ generation: this.generation, ...state }), 'utf8');
    try {
      if (HEADER_BYTES + text.length > SLOT_BYTES) throw new Error(`${text.length} bytes do not fit a slot`);
      const slot = Buffer.alloc(HEADER_BYTES + text.length);
      createHash('sha256').update(text).digest().copy(slot, 0);
      slot.writeUInt32BE(text.length, CHECKSUM_BYTES);
      text.copy(slot, HEADER_BYTES);
      const written = writeSync(this.file, slot, 0, slot.length, (this.generation % 2) * SLOT_BYTES);
      if (written < slot.length) throw new Error(`${written} of ${slot.length} bytes were taken`);
      this.dirty = true;
      this.told = null;
    } catch (error) {
      this.tell(`the witness file cannot be written: ${(error as Error).message}`);
    }
  }

  /** On acknowledgement by the hub, and at the end. */
  sync(): void {
    if (!this.dirty && !this.isSyncing) return;
    try {
      fdatasyncSync(this.file);
      this.dirty = false;
    } catch (error) {
      this.tell(`the witness file cannot be synced: ${(error as Error).message}`);
    }
  }

  startSyncing(): void {
    this.timer = setInterval(() => {
      if (!this.dirty || this.isSyncing) return;
      this.dirty = false;
      this.isSyncing = true;
      fdatasync(this.file, (error) => {
        this.isSyncing = false;
        if (error === null) return;
        this.dirty = true;
        this.tell(`the witness file cannot be synced: ${error.message}`);
      });
    }, SYNC_INTERVAL_MS);
    this.timer.unref();
  }

  private tell(message: string): void {
    if (this.told === message) return;
    this.told = message;
    this.alarm(message);
  }

  close(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.sync();
    closeSync(this.file);
  }
}

function newestState(file: number): z.infer<typeof stateSchema> | null {
  const [first, second] = [readSlot(file, 0), readSlot(file, 1)];
  if (first === null || second === null) return first ?? second;
  return first.generation > second.generation ? first : second;
}

function readSlot(file: number, slot: number): z.infer<typeof stateSchema> | null {
  const buffer = Buffer.alloc(SLOT_BYTES);
  const bytes = readSync(file, buffer, 0, SLOT_BYTES, slot * SLOT_BYTES);
  if (bytes < HEADER_BYTES) return null;
  const length = buffer.readUInt32BE(CHECKSUM_BYTES);
  if (length > SLOT_BYTES - HEADER_BYTES || HEADER_BYTES + length > bytes) return null;
  const text = buffer.subarray(HEADER_BYTES, HEADER_BYTES + length);
  const checksum = createHash('sha256').update(text).digest();
  if (!checksum.equals(buffer.subarray(0, CHECKSUM_BYTES))) return null;
  const parsed = stateSchema.safeParse(JSON.parse(text.toString('utf8')));
  return parsed.success ? parsed.data : null;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { Witness, type WitnessState } from './witness.js';

describe('the witness file', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'branchline-witness-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const state = (seq: number, counters: WitnessState['counters'] = {}): WitnessState => ({
    incarnation: v7(),
    epoch: 1,
    seq,
    hash: 'a'.repeat(64),
    counters,
  });

  it('that cannot be written alarms once, not with every group of sales, and again after it could', () => {
    const alarms: string[] = [];
    const witness = Witness.open(join(folder, 'witness'), (message) => alarms.push(message));
    const tooMuch = Object.fromEntries(Array.from({ length: 1_000 }, (_, till) => [`T${till}/sale`, 1]));
    for (let seq = 1; seq <= 3; seq += 1) witness.write(state(seq, tooMuch));
    expect(alarms).toEqual([expect.stringContaining('do not fit a slot')]);
    witness.write(state(4));
    witness.write(state(5, tooMuch));
    expect(alarms).toHaveLength(2);
    witness.close();
    expect(Witness.read(join(folder, 'witness'))).toMatchObject({ seq: 4 });
  });
});

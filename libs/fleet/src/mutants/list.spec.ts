import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { MUTANTS } from './list.js';
import { plant } from './mutant.js';

const ROOT = process.cwd();

describe('the planted bugs', () => {
  it('have names of their own', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  it.each(MUTANTS)('$name still fits the source, and its specs are there', ({ edits, specs }) => {
    const texts = new Map<string, string>();
    for (const edit of edits) {
      const text = texts.get(edit.file) ?? readFileSync(join(ROOT, edit.file), 'utf8');
      texts.set(edit.file, plant(text, edit));
    }
    expect(specs.filter((spec) => !existsSync(join(ROOT, spec)))).toEqual([]);
  });
});

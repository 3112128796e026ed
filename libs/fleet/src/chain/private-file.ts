import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { makeFolder as makeDeepFolder } from '@branchline/http/make-folder.js';
import type { z } from 'zod';

/** JSON that only its owner may read; renamed into place, so that whoever reads it reads a whole one. */
export function writePrivateJson(file: string, content: object): void {
  const draft = `${file}.new`;
  try {
    const handle = openSync(draft, 'w', 0o600);
    try {
      writeFileSync(handle, `${JSON.stringify(content, null, 2)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(draft, file);
  } catch (error) {
    throw new EnvironmentFailure(`cannot write ${file}: ${(error as Error).message}`);
  }
}

/** Null when there is none. @throws EnvironmentFailure when it is not what was written, with what to do then */
export function readPrivateJson<S extends z.ZodType>(
  file: string,
  schema: S,
  remedy = '--fresh begins anew',
): z.output<S> | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new EnvironmentFailure(`cannot read ${file}: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) throw new EnvironmentFailure(`${file} is not what was written there; ${remedy}`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws EnvironmentFailure when it can be neither found nor made */
export function makeFolder(folder: string, mode = 0o755): void {
  try {
    makeDeepFolder(folder, mode);
  } catch (error) {
    throw new EnvironmentFailure(`cannot create ${folder}: ${(error as Error).message}`);
  }
}

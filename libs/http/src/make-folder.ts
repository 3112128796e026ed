import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * With every folder above it that is missing. One by one: Node's own `recursive` never returns where a folder is there and
 * nothing can be made in it, as in /proc.
 *
 * @throws the file system's error
 */
export function makeFolder(folder: string, mode?: number): void {
  const path = resolve(folder);
  const above = dirname(path);
  if (above !== path && !existsSync(above)) makeFolder(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const isThere = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (!isThere) throw error;
  }
}

import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whole or not at all: written beside, synced, renamed over, and the folder synced. Readable by the owner alone. */
export function writePrivateFile(path: string, text: string): void {
  const beside = `${path}.new`;
  const file = openSync(beside, 'w', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** For what is set aside: never the name of one that was set aside before. */
export function freeName(wanted: string): string {
  let name = wanted;
  for (let no = 2; existsSync(name); no += 1) name = `${wanted}-${no}`;
  return name;
}

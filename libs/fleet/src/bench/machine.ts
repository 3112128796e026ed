import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

/** What figures depend on; nothing that names the machine. */
export interface Machine {
  cpus: number;
  model: string;
  memoryGb: number;
  os: string;
  node: string;
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpus: cores.length,
    model: cores[0]?.model.trim() || 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release().split('-')[0]}`,
    node: process.versions.node,
  };
}

const SYNCS = 500;
const PAGE_BYTES = 4_096;

/** How long the disk takes to keep a page for good: one figure for each of some hundred small writes, in ms. */
export function timeSyncs(folder: string): number[] {
  const path = join(folder, 'fdatasync.probe');
  const file = openSync(path, 'w');
  const page = Buffer.alloc(PAGE_BYTES, 1);
  const tookMs: number[] = [];
  try {
    for (let at = 0; at < SYNCS; at += 1) {
      writeSync(file, page, 0, PAGE_BYTES, at * PAGE_BYTES);
      const startedMs = performance.now();
      fdatasyncSync(file);
      tookMs.push(performance.now() - startedMs);
    }
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
  return tookMs;
}

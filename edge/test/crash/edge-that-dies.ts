import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProposedSale } from '../../src/selling/complete-sale.js';

const PROGRAM = join(process.cwd(), 'edge', 'test', 'crash', 'dying-edge.mjs');

/**
 * Where it dies. `half written`: its second statement is done · `written, not committed` · `committed, not witnessed` ·
 * `witnessed, not told`: of a write that moves the journal's head, and nobody has the answer. `nth` of its name; of long work
 * each slice is one.
 */
export type KillPoint = {
  write: string;
  nth: number;
  phase: 'half written' | 'written, not committed' | 'committed, not witnessed' | 'witnessed, not told';
};

/** What it does until then: one sale, or all that a line to a hub brings. */
export type LastWork = { sale: ProposedSale; by: { actor: string; device: string | null } } | { hubUrl: string };

/** @returns once it is dead: by which signal, and what it had said */
export async function edgeThatDies(
  folder: string,
  point: KillPoint,
  work: LastWork,
): Promise<{ signal: string | null; said: string }> {
  const edge = spawn(process.execPath, [PROGRAM, folder, JSON.stringify({ point, ...work })], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  edge.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
  const [, signal] = (await once(edge, 'close')) as [number | null, string | null];
  return { signal, said };
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { seconds } from '../mutants/run-program.js';
import { type AcceptContext, fail, notRun, type Outcome, pass } from './row.js';
import { inScratchFolder } from './scratch.js';
import { START_COMMAND, StartedChain } from './started-chain.js';

const EDGES = 3;
const READY_MS_MAX = 60_000;
const GROWTH_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 500;

/** `npm start`: trades within a minute, leaves nothing after Ctrl-C, and goes on with the same data. */
export function startTradesAndGoesOn({ root, signal, note }: AcceptContext): Promise<Outcome> {
  if (!existsSync(join(root, START_COMMAND))) return Promise.resolve(notRun(`${START_COMMAND} is not there`));
  return inScratchFolder(async (folder) => {
    const dataDir = join(folder, 'data');
    note('the first start');
    const first = await trade(root, dataDir, 0, signal);
    if ('wrong' in first) return fail(`first start: ${first.wrong}`);
    note('the second start');
    const second = await trade(root, dataDir, first.baskets, signal);
    if ('wrong' in second) return fail(`second start: ${second.wrong}`);
    const ready = `READY in ${seconds(first.readyMs)}, then ${seconds(second.readyMs)}`;
    return pass(`${ready}; ${first.baskets} baskets, then ${second.baskets}; nothing left`);
  });
}

type Trade = { readyMs: number; baskets: number } | { wrong: string };

/** One start to its Ctrl-C. @param basketsBefore what head office had counted when the last one ended */
async function trade(root: string, dataDir: string, basketsBefore: number, signal: AbortSignal): Promise<Trade> {
  const startMs = performance.now();
  const chain = new StartedChain(root, dataDir, EDGES);
  try {
    const notReady = await chain.untilReady(READY_MS_MAX, signal);
    if (notReady !== null) return { wrong: notReady };
    const readyMs = performance.now() - startMs;
    const edges = chain.fleet().edges.length;
    if (edges !== EDGES) return { wrong: `fleet.json names ${edges} edges` };
    const atStart = await chain.basketsAtHub(signal);
    if (atStart < basketsBefore) return { wrong: `${basketsBefore} baskets before, ${atStart} now` };
    const baskets = await growth(chain, atStart, signal);
    if (baskets === null) return { wrong: `still ${atStart} baskets after ${GROWTH_MS_MAX / 1000} s: nobody sells` };
    const complaints = await chain.interrupt(STOP_MS_MAX);
    return complaints.length === 0 ? { readyMs, baskets } : { wrong: complaints.join('; ') };
  } finally {
    await chain.kill();
  }
}

async function growth(chain: StartedChain, from: number, signal: AbortSignal): Promise<number | null> {
  for (let waitedMs = 0; waitedMs < GROWTH_MS_MAX; waitedMs += POLL_MS) {
    const baskets = await chain.basketsAtHub(signal);
    if (baskets > from) return baskets;
    await pause(POLL_MS, undefined, { signal });
  }
  return null;
}

import { type BenchRow, benchRow } from '../bench.js';
import type { Compared, Transfer } from './subject.js';

/**
 * Ours first. The goal is five times the fastest durable one (quality B-4), and durable is who has shown it: whoever lost a
 * sale when client and server were killed is no measure for what keeps them all, and is told beside, with its own ratio.
 * What did not get everything over in its time is told by the rate that it had, and says so.
 */
export function rowsOf([ours, ...peers]: readonly Compared[]): BenchRow[] {
  if (ours === undefined) throw new Error('nothing was compared');
  const keepers = peers.filter(({ afterKills }) => afterKills.lost === 0);
  const fastest = best(keepers.length > 0 ? keepers : peers, ({ transfer }) => -rateOf(transfer));
  const thriftiest = best(peers, ({ transfer }) => bytesOf(transfer));
  return [
    benchRow({
      what: whatOf(ours, 'over the line'),
      unit: 'sales/s',
      samples: [rateOf(ours.transfer)],
      yardstick: {
        what: `the fastest that lost nothing: ${whatOf(fastest, 'over the line')}`,
        samples: [rateOf(fastest.transfer)],
      },
      goal: { of: 'ratio', atLeast: 5 },
    }),
    ...peers.filter(({ afterKills }) => afterKills.lost > 0).map((loser) => beside(ours, loser)),
    benchRow({
      what: `${ours.name}: on the wire, both ways`,
      unit: 'B/sale',
      samples: [bytesOf(ours.transfer)],
      yardstick: { what: `the thriftiest: ${thriftiest.name}`, samples: [bytesOf(thriftiest.transfer)] },
      goal: { of: 'ratio', atMost: 1 },
    }),
    ...peers.flatMap((peer) => [
      benchRow({ what: whatOf(peer, 'over the line'), unit: 'sales/s', samples: [rateOf(peer.transfer)] }),
      ...wholeWaitRows(peer),
      benchRow({
        what: `${peer.name}: on the wire, both ways`,
        unit: 'B/sale',
        samples: [bytesOf(peer.transfer)],
      }),
    ]),
    ...lossRows(ours, true),
    ...peers.flatMap((peer) => lossRows(peer, false)),
  ];
}

function beside(ours: Compared, { name, transfer, afterKills }: Compared): BenchRow {
  return benchRow({
    what: `${ours.name}: sales over the line, beside one that lost ${afterKills.lost} of ${ours.trialSales} when it was killed`,
    unit: 'sales/s',
    samples: [rateOf(ours.transfer)],
    yardstick: { what: name, samples: [rateOf(transfer)] },
  });
}

/** What a user waits: the goal is held against the rate without it, which is the harder one. */
function wholeWaitRows({ name, transfer }: Compared): BenchRow[] {
  const { arrived, seconds, idleS } = transfer;
  if (idleS === 0) return [];
  const what = `${name}: sales over the line, with the ${idleS} s counted in which its two sides wait for each other`;
  return [benchRow({ what, unit: 'sales/s', samples: [arrived / (seconds + idleS)] })];
}

function lossRows({ name, trialSales, afterKills, afterRestore }: Compared, isOurs: boolean): BenchRow[] {
  const row = (what: string, value: number): BenchRow =>
    benchRow({
      what: `${name}: ${what}, ${trialSales} sales under way`,
      unit: 'sales',
      samples: [value],
      ...(isOurs && { goal: { of: 'value', atMost: 0 } }),
    });
  return [
    row('lost after kill −9 of client and server', afterKills.lost),
    row('doubled after kill −9 of client and server', afterKills.doubled),
    row('lost after the server was restored from a copy', afterRestore.lost),
    row('doubled after the server was restored from a copy', afterRestore.doubled),
  ];
}

function whatOf({ name, durability, transfer }: Compared, what: string): string {
  const { sales, arrived, seconds, idleS, resets } = transfer;
  const idle = idleS === 0 ? '' : `${idleS} s before anything moved not counted, `;
  const extent =
    arrived >= sales
      ? `${sales} in ${seconds.toFixed(1)} s`
      : `${arrived} of ${sales} in ${seconds.toFixed(0)} s, then stopped`;
  return `${name}: sales ${what} (${extent}, ${idle}${resets} resets; ${durability})`;
}

function rateOf({ arrived, seconds }: Transfer): number {
  return arrived / seconds;
}

/** Of what arrived. Nothing: all that was sent came to nothing. */
function bytesOf({ arrived, upBytes, downBytes }: Transfer): number {
  return arrived === 0 ? Number.MAX_SAFE_INTEGER : (upBytes + downBytes) / arrived;
}

function best(peers: readonly Compared[], cost: (peer: Compared) => number): Compared {
  const [first] = [...peers].sort((a, b) => cost(a) - cost(b));
  if (first === undefined) throw new Error('there is no peer to compare with');
  return first;
}

import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import { hashAt } from '../store/journal.js';
import type { ReadTx } from '../store/tx.js';
import { helloRequestOf } from '../replicator/learn-streams.js';
import { readStreams, type Stream } from '../replicator/push-state.js';
import { Finder, type Findings } from './findings.js';

export type HubAsked = { request: HelloRequest; streams: readonly Stream[] };

export function askHub(tx: ReadTx, version: string): HubAsked {
  const streams = readStreams(tx);
  return { request: helloRequestOf(tx, streams, { version }), streams };
}

/** Where box and hub hold the same history; `null`: nothing is journalled, or nothing of it is there yet. */
export type ProvedPlace = { incarnation: string; epoch: number; seq: number; hash: string } | null;

/**
 * What the hub says of this box's histories against the journal. Equal hashes prove equal lines; that the hub has fewer is
 * no fault of its, unless it acknowledged more.
 */
export function judgeHub(
  tx: ReadTx,
  { streams }: HubAsked,
  answer: HelloAnswer,
): { provedTo: ProvedPlace; findings: Findings } {
  const finder = new Finder();
  let provedTo: ProvedPlace = null;
  for (const stream of streams) {
    const proved = judgeStream(tx, stream, answer, finder);
    if (proved !== null) provedTo = proved;
  }
  return { provedTo, findings: finder.findings };
}

function judgeStream(tx: ReadTx, stream: Stream, answer: HelloAnswer, finder: Finder): ProvedPlace {
  const { incarnation, incarnationNo, lastSeq, appliedSeq: acknowledged } = stream;
  const known = answer.streams.find((each) => each.incarnation === incarnation);
  const there = known?.appliedSeq ?? 0;
  if (there < acknowledged)
    finder.add('hub-lost-lines', `${incarnation}: acknowledged up to line ${acknowledged}, now there up to ${there}`);
  if (known === undefined) return null;
  const { headHash, durableSeq } = known;
  if (durableSeq > there)
    finder.add('hub-durable', `${incarnation}: durable up to line ${durableSeq}, there up to ${there}`);
  const ourSeq = Math.min(there, lastSeq);
  const ours = hashAt(tx, incarnationNo, ourSeq);
  const theirs = there <= lastSeq ? headHash : hashOf(answer, incarnation, ourSeq);
  if (ours !== theirs) {
    finder.add(
      'fork',
      `${incarnation}: line ${ourSeq} leads to ${ours} here, to ${theirs ?? 'nothing'} at head office`,
    );
    return null;
  }
  if (there > lastSeq) {
    const told = `${incarnation}: lines ${lastSeq + 1} to ${there}, of which this file has none`;
    finder.add('hub-claims-lines', told);
  }
  const { epoch } = tx.get<{ epoch: number }>('SELECT epoch FROM incarnation WHERE no = ?', incarnationNo) ?? {
    epoch: 0,
  };
  return ourSeq === 0 || ours === null ? null : { incarnation, epoch, seq: ourSeq, hash: ours };
}

function hashOf(answer: HelloAnswer, incarnation: string, seq: number): string | null {
  return answer.hashes.find((each) => each.incarnation === incarnation && each.seq === seq)?.hash ?? null;
}

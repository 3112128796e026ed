import type { Clock } from '@branchline/domain/clock.js';
import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import type { BundleHeader } from '@branchline/replication/bundle.js';
import type { Store } from '../store/store.js';
import type { BundleLines } from './bundle-lines.js';
import { leaveHistory } from './leave-history.js';
import { isHere, isOlder, judgeBundle, lackingOf, learnBundle, type BundleVerdict } from './learn-bundle.js';
import { provenHistories } from './proven-histories.js';
import { readHistories } from './push-state.js';
import { spokenOf } from './speech.js';
import type { SyncLogEntry } from './sync-log.js';

type Parts = { store: Store; clock: Clock; alarm(message: string): void };
type Head = Pick<BundleHeader, 'bundle' | 'createdAt'>;

/**
 * What a bundle says of this branch's histories, as a hello would: how far head office has them, where one of them parts from
 * its own, what it has that is not here. A fork is set right as by line, and what was found is then judged once more.
 *
 * @returns whether nothing that was made later has come, by bundle or by line @throws BadBundle
 */
export async function learnBundleOf(
  parts: Parts,
  header: Head,
  answer: HelloAnswer,
  lines: BundleLines,
): Promise<boolean> {
  const { store } = parts;
  const { bundle, createdAt } = header;
  const detail = `bundle ${bundle} of ${new Date(createdAt).toISOString()} was taken in`;
  const told: SyncLogEntry = { level: 'info', event: 'bundle-in', detail };
  const isOld = isOlder(store.reads, { bundle, createdAtMs: createdAt });
  const verdicts = isOld ? [] : await judged(store, answer, lines);
  const isNewest = await learn(parts, header, answer, verdicts, [told]);
  if (!isNewest) return false;
  const forks = verdicts.filter((verdict) => verdict.kind === 'forked');
  for (const { stream, commonSeq } of forks)
    await leaveHistory(
      parts,
      stream,
      commonSeq,
      `differs from the hub's after line ${commonSeq} or later: this file was restored or copied`,
    );
  if (forks.length > 0) await learn(parts, header, answer, await judged(store, answer, lines), []);
  return true;
}

async function judged({ reads, box }: Store, answer: HelloAnswer, lines: BundleLines): Promise<BundleVerdict[]> {
  const verdicts: BundleVerdict[] = [];
  for (const stream of readHistories(reads)) {
    const { incarnation, incarnationNo, lastSeq } = stream;
    const carried = await lines.hashes(incarnation, lastSeq, (at) => isHere(reads, incarnationNo, at));
    const verdict = judgeBundle(reads, { stream, answer, carried, isOwn: stream.box === box.box });
    if (verdict !== null) verdicts.push(verdict);
  }
  return verdicts;
}

async function learn(
  { store, clock, alarm }: Parts,
  { bundle, createdAt }: Head,
  answer: HelloAnswer,
  verdicts: readonly BundleVerdict[],
  told: readonly SyncLogEntry[],
): Promise<boolean> {
  const { proven, refused } = provenHistories(answer, store.box);
  const acknowledged = verdicts.flatMap((verdict) => (verdict.kind === 'forked' ? [] : [verdict]));
  const lacking = lackingOf(verdicts, readHistories(store.reads), answer, proven);
  const entries = [
    ...told,
    ...refused.map((reason): SyncLogEntry => {
      return { level: 'incident', event: 'history-refused', detail: `${reason}: nothing of it is taken` };
    }),
    ...lacking.map(({ incarnation, lastSeq, hubSeq }): SyncLogEntry => {
      const detail = `head office has lines ${lastSeq + 1} to ${hubSeq} of incarnation ${incarnation} that this file lacks`;
      return { level: 'info', event: 'hub-ahead', detail };
    }),
  ];
  const { isNewest } = await store.writer.write(learnBundle, {
    ...{ bundle, createdAtMs: createdAt, lacking, entries, nowMs: clock.now() },
    ...{ hubEpoch: answer.hubEpoch, epoch: answer.epoch ?? 0, memory: answer.memory ?? null, scopes: answer.scopes },
    ...{ spoken: spokenOf(answer), quarantined: answer.quarantined ?? [] },
    acknowledged: acknowledged.map(({ incarnationNo, appliedSeq, durableSeq }) => {
      return { incarnationNo, appliedSeq, durableSeq };
    }),
  });
  for (const { level, detail } of entries) if (level === 'incident') alarm(detail);
  // The hub knows these lines; a file restored to before them must be recognised, even after a power cut.
  await store.writer.syncWitness();
  return isNewest;
}

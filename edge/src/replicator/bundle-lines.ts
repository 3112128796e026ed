import { BadBundle } from '@branchline/replication/bundle.js';
import type { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordLabel, RecordPlace } from '@branchline/replication/bundle-records.js';
import { SPOKEN } from '@branchline/replication/protocol.js';
import { decodePush, MalformedPush, pushFrom, type ReceivedPush } from '@branchline/replication/push.js';
import type { LinesSource } from './lines-round.js';

type LinesPlace = RecordPlace & { label: Extract<RecordLabel, { kind: 'lines' }> };

/** What the hub's history has at a line. */
export type HubHash = { seq: number; hash: string };

/** The lines of a bundle, asked for as those of the hub are (`LinesRound`): the same code proves and takes them. */
export class BundleLines implements LinesSource {
  readonly speech = { spoken: SPOKEN };
  private readonly pages: readonly LinesPlace[];

  constructor(
    private readonly file: BundleFile,
    places: readonly RecordPlace[],
  ) {
    this.pages = places.filter((place): place is LinesPlace => place.label?.kind === 'lines');
  }

  /** From any line on that a page has. @throws BadBundle */
  async lines({ incarnation, fromSeq }: { incarnation: string; fromSeq: number }): Promise<Buffer | null> {
    const place = this.pages.find(
      ({ label }) => label.incarnation === incarnation && label.fromSeq <= fromSeq && fromSeq <= label.lastSeq,
    );
    if (place === undefined) return null;
    const bytes = await this.file.readInflated(place);
    return place.label.fromSeq === fromSeq ? bytes : sound(() => pushFrom(bytes, fromSeq));
  }

  /**
   * The hub's hashes at lines of a history up to `lastSeq`, as its pages have them: at their ends, and at each line of one
   * that goes another way or beyond. So where two histories part is found without a second question.
   *
   * @throws BadBundle
   */
  async hashes(incarnation: string, lastSeq: number, isOurs: (at: HubHash) => boolean): Promise<HubHash[]> {
    const found: HubHash[] = [];
    for (const place of this.pages) {
      if (place.label.incarnation !== incarnation || place.label.fromSeq - 1 > lastSeq) continue;
      const bytes = await this.file.readInflated(place);
      const { header, lines } = sound(() => decodePush(bytes));
      const end = { seq: header.fromSeq + header.count - 1, hash: header.headHash };
      found.push({ seq: header.fromSeq - 1, hash: header.previousHash });
      if (end.seq <= lastSeq && isOurs(end)) found.push(end);
      else found.push(...hashesUpTo(lastSeq, header.fromSeq, lines));
    }
    return found;
  }
}

function hashesUpTo(lastSeq: number, fromSeq: number, lines: ReceivedPush['lines']): HubHash[] {
  return lines
    .slice(0, Math.max(0, lastSeq - fromSeq + 1))
    .map(({ hash }, at) => ({ seq: fromSeq + at, hash: hash.toString('hex') }));
}

function sound<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!(error instanceof MalformedPush)) throw error;
    throw new BadBundle('malformed', `a page of lines: ${error.message}`);
  }
}

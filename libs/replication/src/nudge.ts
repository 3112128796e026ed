/**
 * `GET /sync/v1/nudges`: server-sent events that tell a box to ask at once instead of at its next poll. They carry no
 * data and may be lost; the poll always follows. Events are named by what the box is to do; one whose name it does not
 * know it passes over.
 */
export const NUDGES_PATH = '/sync/v1/nudges';
export const NUDGES_MEDIA_TYPE = 'text/event-stream';

/** A comment comes at least this often: a connection that one end has lost looks open from the other. */
export const NUDGE_BEAT_MS = 15_000;
/** Three beats: a stream silent for so long is taken for dead. */
export const NUDGE_SILENT_MS_MAX = 45_000;

/**
 * `pull`: a scope of the box has something new. `verify`: head office wants the box to prove itself. `hello`: another history
 * of its branch has grown.
 */
export type NudgeEvent = 'pull' | 'verify' | 'hello';

export function encodeNudge(event: NudgeEvent): string {
  return `event: ${event}\ndata:\n\n`;
}

/** A comment, by the rules of server-sent events. */
export const NUDGE_BEAT = ': beat\n\n';

const LINE_CHARACTERS_MAX = 1_024;
const NUDGE_EVENTS: readonly string[] = ['pull', 'verify', 'hello'] satisfies NudgeEvent[];

/** What comes is no stream of nudges: somebody else answers in the hub's place. */
export class NotNudges extends Error {}

/** Takes a stream apart as it comes, however it is cut into pieces. One reader a stream. */
export class NudgeReader {
  private rest = '';
  private event = '';

  /** @returns the events that ended with this piece, without those that are not known @throws NotNudges */
  read(piece: Buffer): NudgeEvent[] {
    const events: NudgeEvent[] = [];
    // One byte, one character: all that is ours is ASCII, and the rest is passed over whatever it says.
    const lines = (this.rest + piece.toString('latin1')).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LINE_CHARACTERS_MAX) throw new NotNudges('a line without an end');
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line.startsWith('event:')) this.event = line.slice('event:'.length).trim();
      if (line !== '') continue;
      if (NUDGE_EVENTS.includes(this.event)) events.push(this.event as NudgeEvent);
      this.event = '';
    }
    return events;
  }
}

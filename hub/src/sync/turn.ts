/** About 2 ms of work on lines as they mostly are: as long as a backlog may keep the few sales of another box waiting. */
const LINES_MAX = 64;
/** And on lines as long as they may be, of which as many take half a second. */
const BYTES_MAX = 1024 * 1024;

/** How long lines are worked on in one go: hellos and people are served in between. */
export class Turn {
  private lines = 0;
  private bytes = 0;

  /** @param bytes of the line just worked on @returns whether others are next */
  isOver(bytes: number): boolean {
    this.lines += 1;
    this.bytes += bytes;
    if (this.lines < LINES_MAX && this.bytes < BYTES_MAX) return false;
    this.lines = 0;
    this.bytes = 0;
    return true;
  }
}

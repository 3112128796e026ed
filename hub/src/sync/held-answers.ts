/** Longer than any edge of ours waits for nothing, shorter than it waits for an answer. */
const HELD_MS = 1_000;
const PER_BOX_MAX = 4;

/**
 * Answers to boxes that were told to wait and do not. To turn away costs little, but one that asks again at once has it a
 * thousand times a second, at the cost of everybody: whoever waits a second for each refusal asks once a second.
 */
export class HeldAnswers {
  private readonly held = new Map<string, number>();

  /**
   * @param answer is given later
   * @returns how to forget it, should the caller hang up; or null: as many of this box are held as may be
   */
  hold(box: string, answer: () => void): (() => void) | null {
    const held = this.held.get(box) ?? 0;
    if (held >= PER_BOX_MAX) return null;
    this.held.set(box, held + 1);
    let isHeld = true;
    const forget = (): void => {
      if (!isHeld) return;
      isHeld = false;
      clearTimeout(timer);
      const left = (this.held.get(box) ?? 1) - 1;
      if (left === 0) this.held.delete(box);
      else this.held.set(box, left);
    };
    const timer = setTimeout(() => {
      forget();
      answer();
    }, HELD_MS);
    return forget;
  }
}

/** A text that stands in its file exactly once, and what takes its place. */
export interface Edit {
  /** From the root of the repository. */
  file: string;
  find: string;
  replace: string;
}

/** A deliberate bug. It is planted in a copy of the source: the product has no switch for it. */
export interface Mutant {
  name: string;
  /** What it breaks, in one line. */
  breaks: string;
  edits: readonly Edit[];
  /** The specs that ought to catch it. */
  specs: readonly string[];
  /** Its specs run what was built: the projects to build anew with the bug in them. */
  build?: readonly string[];
}

/** The source has moved on: the bug has to be planted another way. */
export class NoLongerFits extends Error {
  override readonly name = 'NoLongerFits';
}

/** @throws NoLongerFits */
export function plant(source: string, { file, find, replace }: Edit): string {
  const at = source.indexOf(find);
  if (at < 0) throw new NoLongerFits(`${file} does not hold ${firstLine(find)}`);
  if (source.includes(find, at + 1)) throw new NoLongerFits(`${file} holds more than once ${firstLine(find)}`);
  return source.slice(0, at) + replace + source.slice(at + find.length);
}

function firstLine(text: string): string {
  return `«${text.trim().split('\n')[0] ?? ''}»`;
}

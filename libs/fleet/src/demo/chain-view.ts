/** A branch as the one who runs the trial chain sees it: its box, its line, and how far head office is. */
export interface BranchView {
  branch: string;
  name: string;
  /** On the store's wall, `19:05`. */
  clock: string;
  line: 'up' | 'down';
  box: 'up' | 'down';
  /** What its tills were told is done, on its current business date. */
  sales: number;
  takingsMinor: number;
  /** Lines that head office does not have; null while the box is down and cannot say. */
  queue: number | null;
  /** Age of the oldest of them. */
  lagMs: number | null;
  /** The last line of its history for which the box has shown head office its hash; null: none yet. */
  provedTo: number | null;
}

export interface ChainView {
  atMs: number;
  hub: 'up' | 'down';
  currency: string;
  branches: readonly BranchView[];
  /** The consolidated total of the branches' current business dates; null: head office was not asked yet. */
  headOffice: { baskets: number; totalMinor: number } | null;
}

/** Where things are, told at each start. */
export interface Places {
  /** The page, with the link that signs in when there is one. */
  open: string;
  headOffice: { url: string; email: string; password: string };
  stores: readonly { branch: string; name: string; url: string; operators: readonly StorePin[] }[];
  fleetFile: string;
  signInsFile: string;
}
export interface StorePin {
  operator: string;
  role: string;
  pin: string;
}

/** What head office lacks, in a few words; null: nothing. */
export function lackingWords(view: ChainView): string | null {
  const unknown = view.branches.filter(({ queue }) => queue === null).map(({ branch }) => branch);
  const lacking = view.branches.filter(({ queue }) => queue !== null && queue > 0);
  const words = lacking.map(({ branch, queue }) => `${queue} ${queue === 1 ? 'line' : 'lines'} of ${branch}`);
  if (unknown.length > 0) words.push(`what ${unknown.join(', ')} cannot say`);
  return words.length === 0 ? null : words.join(', ');
}

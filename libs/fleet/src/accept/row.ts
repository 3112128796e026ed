export interface Outcome {
  /** `not run`: nothing is known, and the figure says why. */
  verdict: 'pass' | 'FAIL' | 'not run';
  figure: string;
}

export interface AcceptContext {
  /** The checkout. */
  root: string;
  /** Folder of the Complete Journey data set. */
  dataSet: string;
  /** Where a row that looks at screens leaves its pictures. */
  picturesDir?: string | undefined;
  signal: AbortSignal;
  /** For what is drawn by chance; absent: another one each time. */
  seed?: number | undefined;
  /** What is going on, for people. */
  note(line: string): void;
}

/** One line of what an issue is shown by. */
export interface Row {
  what: string;
  run(context: AcceptContext): Promise<Outcome>;
}

export const pass = (figure: string): Outcome => ({ verdict: 'pass', figure });
export const fail = (figure: string): Outcome => ({ verdict: 'FAIL', figure });
export const notRun = (figure: string): Outcome => ({ verdict: 'not run', figure });

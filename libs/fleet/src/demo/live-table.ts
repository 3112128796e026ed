import { type BranchView, type ChainView, lackingWords, type Places } from './chain-view.js';

export interface LogLine {
  atMs: number;
  text: string;
}

export interface Screen {
  places: Places;
  view: ChainView;
  /** Oldest first. */
  log: readonly LogLine[];
}

export interface Terminal {
  columns: number;
  rows: number;
  hasColour: boolean;
}

type Style = 'bold' | 'dim' | 'good' | 'bad' | 'warn';
/** A piece of a line; widths are counted before it is coloured. */
type Piece = string | readonly [text: string, style: Style];

const SGR: Record<Style, string> = { bold: '1', dim: '2', good: '32', bad: '1;31', warn: '33' };
const COLUMNS_MIN = 80;
const NAME = { min: 12, max: 24 };
const LAG_MS_CALM = 10_000;

/** What stands on the terminal, line by line; never wider or higher than it is. */
export function renderScreen({ places, view, log }: Screen, terminal: Terminal): string[] {
  const lines: Piece[][] = [
    [
      ['Branchline, the trial chain', 'bold'],
      `   ${timeOf(view.atMs)}   hub `,
      [view.hub, view.hub === 'up' ? 'good' : 'bad'],
    ],
    [['open, and be signed in:', 'dim']],
    // On a line of its own: with its code it takes 79 of 80 columns, and cut off it is worth nothing.
    [places.open],
    [['sign-ins  ', 'dim'], places.signInsFile],
    [['fleet     ', 'dim'], places.fleetFile],
    [],
    ...tableOf(view, terminal.columns),
    [],
  ];
  const foot: Piece[] = [['Ctrl-C stops, the data stays', 'dim']];
  const room = Math.max(terminal.rows - lines.length - 2, 0);
  for (const { atMs, text } of room === 0 ? [] : log.slice(-room)) lines.push([[`${timeOf(atMs)}  `, 'dim'], text]);
  const shown = [...lines, [], foot].slice(0, Math.max(terminal.rows, 1));
  return shown.map((line) => painted(line, terminal));
}

function tableOf(view: ChainView, columns: number): Piece[][] {
  // What the terminal has beyond the eighty columns goes to the names.
  const longest = Math.max(0, ...view.branches.map(({ name }) => name.length));
  const room = NAME.min + Math.max(columns - COLUMNS_MIN, 0);
  const nameWidth = Math.max(NAME.min, Math.min(longest, room, NAME.max));
  const head = [
    'branch'.padEnd(5 + nameWidth),
    'local',
    'line',
    'box ',
    ...rightOf('sales', 'takings', 'queue', 'lag s'),
  ];
  return [
    [[`${head.join('  ')}  proved to`, 'dim']],
    ...view.branches.map((branch) => rowOf(branch, nameWidth)),
    ...totalsOf(view, nameWidth),
  ];
}

function rowOf(branch: BranchView, nameWidth: number): Piece[] {
  const { branch: code, name, clock, line, box, sales, takingsMinor, queue, lagMs, provedTo } = branch;
  const [soldText = '', takingsText = '', queueText = '', lagText = ''] = rightOf(
    String(sales),
    majorOf(takingsMinor),
    queue === null ? '-' : String(queue),
    lagMs === null ? '-' : secondsOf(lagMs),
  );
  return [
    `${code.padEnd(5)}${clipped(name, nameWidth).padEnd(nameWidth)}  ${clock}  `,
    state(line, 'cut'),
    '  ',
    state(box, 'DOWN'),
    `  ${soldText}  ${takingsText}  `,
    queue ? [queueText, 'warn'] : queueText,
    '  ',
    lagMs !== null && lagMs > LAG_MS_CALM ? [lagText, 'warn'] : lagText,
    `  ${provedTo === null ? '-' : `#${provedTo}`}`,
  ];
}

function totalsOf(view: ChainView, nameWidth: number): Piece[][] {
  const { branches, headOffice, currency } = view;
  const label = (text: string): string => text.padEnd(5 + nameWidth + 2 + 5 + 2 + 4 + 2 + 4);
  const figures = (baskets: number, totalMinor: number): string =>
    `  ${rightOf(String(baskets), majorOf(totalMinor)).slice(0, 2).join('  ')}`;
  const told = figures(sum(branches.map(({ sales }) => sales)), sum(branches.map(({ takingsMinor }) => takingsMinor)));
  if (headOffice === null) return [[`${label('tills were told')}${told}  ${currency}`]];
  const lacks = lackingWords(view);
  const seen: Piece[] = [
    [`${label('head office sees')}${figures(headOffice.baskets, headOffice.totalMinor)}`, 'bold'],
    `  ${currency}  `,
    lacks === null ? ['complete', 'good'] : ['incomplete', 'warn'],
  ];
  return [
    [`${label('tills were told')}${told}  ${currency}`],
    seen,
    lacks === null
      ? []
      : [
          ['it lacks ', 'dim'],
          [lacks, 'warn'],
        ],
  ];
}

function rightOf(sales: string, takings = '', queue = '', lag = ''): string[] {
  return [sales.padStart(5), takings.padStart(10), queue.padStart(5), lag.padStart(5)];
}

function state(is: 'up' | 'down', bad: string): Piece {
  return is === 'up' ? ['up  ', 'good'] : [bad.padEnd(4), 'bad'];
}

function painted(line: readonly Piece[], { columns, hasColour }: Terminal): string {
  let left = columns;
  let text = '';
  for (const piece of line) {
    const [plain, style] = typeof piece === 'string' ? [piece, null] : piece;
    if (left <= 0) break;
    const shown = clipped(plain.replaceAll(/\p{Cc}/gu, ' '), left);
    left -= shown.length;
    text += hasColour && style ? `\u001b[${SGR[style]}m${shown}\u001b[0m` : shown;
  }
  return text.trimEnd();
}

function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
}

/** Of a currency with a hundred minor units, as the demo's is. */
function majorOf(minor: number): string {
  return (minor / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function secondsOf(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  return seconds < 100 ? seconds.toFixed(1) : seconds.toFixed(0);
}

/** `11:20:31Z`. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)}Z`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

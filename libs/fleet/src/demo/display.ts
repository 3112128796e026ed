import type { Clock } from '@branchline/domain/clock.js';
import type { ChainView, Places } from './chain-view.js';
import { type LogLine, renderScreen } from './live-table.js';

/** Who watches the trial chain. */
export interface Display {
  /** What happens, as it happens. */
  say(line: string): void;
  /** Where things are, before trading begins. */
  showAround(places: Places): void;
  /** Once a second; `inLine` is the same in one line. */
  show(view: ChainView, inLine: () => string): void;
  /** Nothing more comes. */
  close(): void;
}

const STATUS_MS = 5_000;
const LOG_LINES_KEPT = 200;
const ROWS_DEFAULT = 24;
const COLUMNS_DEFAULT = 80;

/** A line for everything: for pipes, files and terminals that can do no more. */
export function plainLines(write: (text: string) => void): Display {
  let shownAtMs: number | null = null;
  const say = (line: string): void => write(`${line}\n`);
  return {
    say,
    showAround: (places) => {
      for (const line of placesInLines(places)) say(line);
    },
    show: ({ atMs }, inLine) => {
      shownAtMs ??= atMs;
      if (atMs - shownAtMs < STATUS_MS) return;
      shownAtMs = atMs;
      say(inLine());
    },
    close: () => undefined,
  };
}

/** The part of `process.stdout` that a table needs. */
export interface TerminalOutput {
  write(text: string): unknown;
  columns?: number | undefined;
  rows?: number | undefined;
}

/**
 * A table that stays where it is: each frame is written over the one before, in one go, from the upper left corner, so that nothing
 * flickers and whatever was typed in between is gone with the next. What stood on the terminal is scrolled away, not erased.
 */
export class LiveTable implements Display {
  private places: Places | null = null;
  private view: ChainView | null = null;
  private readonly log: LogLine[] = [];
  private lastFrame = '';
  private isOpen = false;
  private readonly restore = (): void => this.close();

  constructor(
    private readonly output: TerminalOutput,
    private readonly hasColour: boolean,
    private readonly clock: Clock,
  ) {}

  say(line: string): void {
    if (!this.isOpen) {
      this.output.write(`${line}\n`);
      return;
    }
    this.log.push({ atMs: this.clock.now(), text: line });
    this.log.splice(0, this.log.length - LOG_LINES_KEPT);
    this.draw();
  }

  showAround(places: Places): void {
    this.places = places;
    for (const line of placesInLines(places)) this.say(line);
  }

  show(view: ChainView): void {
    if (!this.isOpen) this.open();
    this.view = view;
    this.draw();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    process.removeListener('exit', this.restore);
    this.output.write('\r\n\u001b[?25h');
  }

  private open(): void {
    this.isOpen = true;
    // However we end, the terminal gets its cursor back.
    process.once('exit', this.restore);
    this.output.write(`\u001b[?25l${'\n'.repeat(this.rows)}`);
  }

  private draw(): void {
    const { places, view, log, hasColour } = this;
    if (!places || !view || !this.isOpen) return;
    const terminal = { columns: this.output.columns ?? COLUMNS_DEFAULT, rows: this.rows, hasColour };
    const lines = renderScreen({ places, view, log }, terminal);
    const frame = `${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`;
    if (frame === this.lastFrame) return;
    this.lastFrame = frame;
    // Terminals that know it show the frame as a whole; others do not mind.
    this.output.write(`\u001b[?2026h\u001b[H${frame}\u001b[?2026l`);
  }

  private get rows(): number {
    return this.output.rows ?? ROWS_DEFAULT;
  }
}

function placesInLines({ open, headOffice, stores, fleetFile, signInsFile }: Places): string[] {
  const { url, email, password } = headOffice;
  return [
    `open  ${open}`,
    `head office  ${url}  ${email}  password ${password}`,
    ...stores.map(({ branch, name, url: at, operators }) => {
      const pins = operators.map(({ operator, role, pin }) => `${operator} (${role}) PIN ${pin}`);
      return `${branch} ${name}  ${at}  ${pins.join(', ')}`;
    }),
    `fleet      ${fleetFile}`,
    `sign-ins   ${signInsFile}`,
  ];
}

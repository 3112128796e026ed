import type { BranchToday, TrialBranch } from './answers.js';
import { el, setAttribute, setText } from './dom.js';
import { count, counted, localTime, money, shortHash } from './format.js';
import { amountWords, headsMeet, knownWords, lineWords, meetingOf, proofWords, type Said, type Tone } from './words.js';

export type Order = 'cut' | 'restore' | 'kill' | 'verify';
/** @returns what is to be said about it beside the row itself, if anything */
export type GiveOrder = (branch: string, order: Order) => Promise<Said | null>;

/** Of the table; under a trial there is one more. */
const COLUMNS = 6;
/** Of what passes; the outcome of a verification stays until the next order. */
const NOTE_MS = 12_000;

/** One branch in the table. Its nodes stay, only their texts change: what has the focus keeps it. */
export class BranchRow {
  readonly nodes: HTMLTableRowElement[];
  private readonly row: HTMLTableRowElement;
  private readonly name = el('span', { class: 'name' });
  private readonly place = el('span', { class: 'sub' });
  private readonly line = new Statement('pill');
  private readonly sold = new Figure();
  private readonly office = new Figure();
  private readonly known = new Statement('said');
  private readonly heads = new Heads();
  private readonly note = el('p', { role: 'status' });
  private readonly noteCell = el('td', { role: 'cell' });
  private readonly noteRow: HTMLTableRowElement;
  private readonly buttons: Record<'line' | 'kill' | 'verify', HTMLButtonElement>;
  private lineOrder: Order = 'cut';
  private isBusy = false;
  private noteTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly code: string,
    private readonly give: GiveOrder,
  ) {
    this.buttons = {
      line: this.button(() => this.lineOrder),
      kill: this.button(() => 'kill'),
      verify: this.button(() => 'verify'),
    };
    const { line, kill, verify } = this.buttons;
    setText(kill, 'Kill box');
    setText(verify, 'Verify');
    const store = el('th', { scope: 'row', role: 'rowheader' }, this.name, this.place);
    this.row = el(
      'tr',
      { role: 'row', class: 'branch' },
      store,
      cell('Line', 'line', ...this.line.nodes),
      cell('Sold in the store', 'trial-only', ...this.sold.nodes),
      cell('At head office', 'office', ...this.office.nodes),
      cell('Known to head office', 'known', ...this.known.nodes),
      cell('Head of history', 'heads', ...this.heads.nodes),
      el('td', { role: 'cell', class: 'actions' }, line, kill, verify),
    );
    this.noteRow = el('tr', { role: 'row', class: 'note' }, this.noteCell);
    this.noteCell.append(this.note);
    this.nodes = [this.row, this.noteRow];
  }

  show(branch: BranchToday, trial: TrialBranch | undefined, asOf: string): void {
    const { currency } = branch;
    setText(this.name, `${branch.branch} ${branch.name}`);
    setText(this.place, `${branch.region} · ${localTime(asOf, branch.timeZone)}`);
    this.line.show(lineWords(branch, trial, asOf));
    this.known.show(knownWords(branch, trial));
    const meeting = trial && meetingOf(branch, trial);
    const amount = amountWords(branch.totalMinor, currency);
    this.office.show(branch.baskets, amount, meeting?.text ?? '', meeting?.tone ?? 'idle');
    if (trial) this.sold.show(trial.tillBaskets, money(trial.tillTotalMinor, trial.currency), '', 'idle');
    this.heads.show(branch, trial);
    setAttribute(this.noteCell, 'colspan', String(trial ? COLUMNS + 1 : COLUMNS));
    this.lineOrder = trial?.line === 'down' ? 'restore' : 'cut';
    this.showButtons(branch, trial);
  }

  private showButtons(branch: BranchToday, trial: TrialBranch | undefined): void {
    const { line, kill, verify } = this.buttons;
    setText(line, this.lineOrder === 'restore' ? 'Restore line' : 'Cut line');
    line.classList.toggle('primary', this.lineOrder === 'restore');
    for (const [button, what] of [
      [line, line.textContent ?? ''],
      [kill, 'Kill box'],
      [verify, 'Verify'],
    ] as const)
      setAttribute(button, 'aria-label', `${what} of ${branch.branch} ${branch.name}`);
    line.hidden = kill.hidden = trial?.mayAct !== true;
    verify.hidden = !branch.mayVerify;
    kill.disabled = this.isBusy || trial?.box === 'down';
    line.disabled = this.isBusy;
    verify.disabled = this.isBusy || branch.knownTo === null;
  }

  private button(order: () => Order): HTMLButtonElement {
    const button = el('button', { type: 'button' });
    button.addEventListener('click', () => void this.run(order(), button));
    return button;
  }

  private async run(order: Order, button: HTMLButtonElement): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    button.setAttribute('aria-busy', 'true');
    for (const each of Object.values(this.buttons)) each.disabled = true;
    try {
      this.say(await this.give(this.code, order), order !== 'verify');
    } finally {
      this.isBusy = false;
      button.removeAttribute('aria-busy');
      for (const each of Object.values(this.buttons)) each.disabled = false;
      button.focus();
    }
  }

  private say(said: Said | null, isPassing: boolean): void {
    clearTimeout(this.noteTimer);
    setText(this.note, said === null ? '' : [said.title, said.detail].filter((part) => part !== '').join(' · '));
    if (said === null) return;
    setAttribute(this.noteRow, 'data-tone', said.tone);
    if (isPassing) this.noteTimer = setTimeout(() => this.say(null, false), NOTE_MS);
  }
}

/** A short title with a colour and a word, and a line of detail beneath it. */
class Statement {
  readonly nodes: HTMLElement[];
  private readonly title: HTMLElement;
  private readonly detail = el('span', { class: 'sub' });

  constructor(kind: 'pill' | 'said' | 'sub') {
    this.title = el('span', { class: kind });
    this.nodes = [this.title, this.detail];
  }

  show({ tone, title, detail }: Said): void {
    setAttribute(this.title, 'data-tone', tone);
    setText(this.title, title);
    setText(this.detail, detail);
  }
}

/** Takings with the number of sales, and a remark. */
class Figure {
  readonly nodes: HTMLElement[];
  private readonly amount = el('span', { class: 'amount' });
  private readonly sales = el('span', { class: 'sub' });
  private readonly remark = el('span', { class: 'sub remark' });

  constructor() {
    this.nodes = [this.amount, this.sales, this.remark];
  }

  show(sales: number, amount: string, remark: string, tone: Tone): void {
    const isNew = this.amount.textContent !== amount && this.amount.textContent !== '';
    setText(this.amount, amount);
    if (isNew) glow(this.amount);
    setText(this.sales, counted(sales, 'sale'));
    setText(this.remark, remark);
    setAttribute(this.remark, 'data-tone', tone);
  }
}

/** The heads of the branch's history at both ends, and up to where it was proved. */
class Heads {
  readonly nodes: HTMLElement[];
  private readonly store = el('span', { class: 'head' });
  private readonly office = el('span', { class: 'head' });
  private readonly proof = new Statement('sub');

  constructor() {
    const storeLine = el('span', { class: 'head-line trial-only' }, el('span', { class: 'sub' }, 'store'), this.store);
    const officeLine = el(
      'span',
      { class: 'head-line' },
      el('span', { class: 'sub trial-only' }, 'office'),
      this.office,
    );
    this.nodes = [storeLine, officeLine, ...this.proof.nodes];
  }

  show(branch: BranchToday, trial: TrialBranch | undefined): void {
    const { knownTo, headHash, quarantined } = branch;
    const isMet = trial !== undefined && headsMeet(branch, trial);
    const none = quarantined === null ? '–' : 'none';
    setText(this.office, knownTo && headHash ? `${headWords(knownTo.seq, headHash)}${isMet ? ' =' : ''}` : none);
    setAttribute(this.office, 'data-tone', isMet ? 'good' : 'idle');
    setText(this.store, trial?.headHash ? headWords(trial.headSeq ?? 0, trial.headHash) : 'away');
    this.proof.show(proofWords(branch));
  }
}

function headWords(seq: number, hash: string): string {
  return `#${count(seq)} ${shortHash(hash)}`;
}

/** A figure that changed is seen to change. */
function glow(node: HTMLElement): void {
  node.classList.remove('fresh');
  // Read for its effect: without it the two changes are one, and the animation does not begin again.
  void node.offsetWidth;
  node.classList.add('fresh');
}

/** @param label what a narrow screen shows instead of the column's head */
function cell(label: string, kind: string, ...children: Node[]): HTMLTableCellElement {
  return el('td', { role: 'cell', class: kind, 'data-label': label }, ...children);
}

import type { BranchToday, ChainToday, Trial, TrialBranch, Verification } from './answers.js';
import { BranchRow, type Order } from './branch-row.js';
import { HourChart } from './chart.js';
import { byId, setAttribute, setText } from './dom.js';
import { clockTime, counted } from './format.js';
import { Guide } from './hint.js';
import { HubAway, Refused, SignedOut, type Hub } from './hub.js';
import { Watch } from './watch.js';
import { amountWords, knownWords, totalWords, verificationWords, type Said } from './words.js';

/** What an order does is seen in the row; only a box may be back before anybody looked. */
const ORDERED: Record<Exclude<Order, 'verify'>, Said | null> = {
  cut: null,
  restore: null,
  kill: { tone: 'idle', title: 'box killed in the middle of whatever it did', detail: 'it is started again by itself' },
};

/** The chain at a glance, kept up to date. */
export class Overview {
  private readonly watch = new Watch(() => this.look());
  private readonly rows = new Map<string, BranchRow>();
  private readonly chart = new HourChart(byId('chart'), byId('legend'), byId('chart-title'));
  private readonly guide = new Guide();
  private trialIs: 'unknown' | 'there' | 'none' = 'unknown';
  private answeredAtMs = Date.now();
  /** Whose turn it is to look: what was asked for one person is not shown to the next. */
  private turn = 0;

  constructor(
    private readonly hub: Hub,
    private readonly onSignedOut: () => void,
  ) {}

  start(): void {
    this.trialIs = 'unknown';
    this.answeredAtMs = Date.now();
    this.watch.start();
  }

  stop(): void {
    this.watch.stop();
    this.turn += 1;
    byId('overview').hidden = true;
  }

  private async look(): Promise<boolean> {
    const { turn } = this;
    try {
      const [today, told] = await Promise.all([this.hub.read<ChainToday>('/v1/today'), this.readTrial()]);
      // The first look learns that there is a trial; from the next one on both are asked at once.
      const isNews = today.isTrial && this.trialIs === 'unknown';
      if (this.trialIs === 'unknown') this.trialIs = today.isTrial ? 'there' : 'none';
      const trial = isNews ? await this.readTrial() : told;
      if (turn !== this.turn) return false;
      this.answeredAtMs = Date.now();
      this.show(today, trial);
      const isAway = trial === null && this.trialIs === 'there';
      showNotice(isAway ? 'The program that runs the trial does not answer; head office does.' : '');
      return true;
    } catch (error) {
      if (turn !== this.turn) return false;
      if (error instanceof SignedOut) {
        this.stop();
        this.onSignedOut();
        return false;
      }
      showNotice(noticeOf(error, this.answeredAtMs));
      return false;
    }
  }

  /** Null where there is no trial, or none that answers at the moment. */
  private async readTrial(): Promise<Trial | null> {
    if (this.trialIs !== 'there') return null;
    try {
      return await this.hub.read<Trial>('/v1/trial');
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 403) this.trialIs = 'none';
      else if (error.code !== 'trial-away') throw error;
      return null;
    }
  }

  private show(today: ChainToday, trial: Trial | null): void {
    const { branches, asOf } = today;
    const trialOf = new Map(trial?.branches.map((each) => [each.branch, each]));
    document.title = `${today.tenant} · Branchline`;
    setText(byId('tenant'), today.tenant);
    setText(byId('as-of'), clockTime(asOf));
    byId('overview').classList.toggle('has-trial', trial !== null);
    this.showRows(branches, trialOf, asOf);
    this.showTotals(today, trialOf);
    this.chart.show(branches);
    this.showHint(branches, trial, trialOf);
    byId('overview').hidden = false;
  }

  private showRows(branches: readonly BranchToday[], trialOf: Map<string, TrialBranch>, asOf: string): void {
    const place = byId('branches');
    const codes = new Set(branches.map(({ branch }) => branch));
    for (const [code, row] of this.rows) {
      if (codes.has(code)) continue;
      for (const node of row.nodes) node.remove();
      this.rows.delete(code);
    }
    // They come in the order of their codes; a new one is put where it belongs, the others stay where they are.
    let before = place.firstElementChild;
    for (const branch of branches) {
      let row = this.rows.get(branch.branch);
      if (row === undefined) {
        row = new BranchRow(branch.branch, (code, order) => this.give(code, order));
        this.rows.set(branch.branch, row);
        for (const node of row.nodes) place.insertBefore(node, before);
      } else before = row.nodes.at(-1)?.nextElementSibling ?? null;
      row.show(branch, trialOf.get(branch.branch), asOf);
    }
  }

  private showTotals({ branches, totals, more }: ChainToday, trialOf: Map<string, TrialBranch>): void {
    const known = branches.map((branch) => ({
      name: branch.name,
      said: knownWords(branch, trialOf.get(branch.branch)),
    }));
    const { tone, text } = totalWords(known, more);
    const amounts = totals.map(({ currency, totalMinor }) => amountWords(totalMinor, currency)).join(' + ');
    setText(byId('total-amount'), amounts === '' ? '0' : amounts);
    setText(
      byId('total-sales'),
      counted(
        totals.reduce((sum, { baskets }) => sum + baskets, 0),
        'sale',
      ),
    );
    setText(byId('total-said'), text);
    setAttribute(byId('total-said'), 'data-tone', tone);
    setText(byId('more'), more > 0 ? `and ${counted(more, 'more store')}, in the total and not in the table` : '');
  }

  private showHint(branches: readonly BranchToday[], trial: Trial | null, trialOf: Map<string, TrialBranch>): void {
    const place = byId('hint');
    place.hidden = trial === null;
    if (trial === null) return;
    const pairs = branches.flatMap((branch) => {
      const found = trialOf.get(branch.branch);
      return found ? { branch, trial: found } : [];
    });
    const { tone, text } = this.guide.hint(pairs, Date.now());
    setAttribute(place, 'data-tone', tone);
    setText(place, text);
  }

  private async give(branch: string, order: Order): Promise<Said | null> {
    try {
      if (order === 'verify')
        return verificationWords(await this.hub.order<Verification>(`/v1/fleet/${encodeURIComponent(branch)}/verify`));
      await this.hub.order(`/v1/trial/${encodeURIComponent(branch)}/${order}`);
      return ORDERED[order];
    } catch (error) {
      if (error instanceof Refused) return { tone: 'bad', title: 'that did not work', detail: error.detail };
      if (error instanceof SignedOut || error instanceof HubAway)
        return { tone: 'bad', title: 'that did not work', detail: 'no answer from the hub' };
      throw error;
    } finally {
      this.watch.now();
    }
  }
}

function noticeOf(error: unknown, answeredAtMs: number): string {
  const since = clockTime(answeredAtMs);
  if (error instanceof Refused && error.status === 403) return `You may not see this chain: ${error.detail}`;
  if (error instanceof Refused) return `No figures from the hub since ${since}: ${error.detail} Trying again.`;
  if (error instanceof HubAway) return `No answer from the hub since ${since}. Trying again.`;
  // Of what the hub never answers, or a defect of the page: told where defects are, and to who looks as what it means.
  reportError(error);
  return `No figures that this page can show since ${since}. Trying again.`;
}

function showNotice(text: string): void {
  const notice = byId('notice');
  setText(notice, text);
  notice.hidden = text === '';
  byId('live').classList.toggle('is-stale', text !== '');
  setText(byId('live-word'), text === '' ? 'live' : 'as of');
}

import { Counter, type Registry } from 'prom-client';

/** What operators watch of the lane by which stores' histories come in. */
export class IngestMetrics {
  readonly pushesRefused: Counter<'reason'>;
  readonly linesApplied: Counter;
  readonly linesSetAside: Counter<'code'>;
  readonly linesMended: Counter;
  readonly conflicts: Counter<'type'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.pushesRefused = new Counter({
      name: 'branchline_pushes_refused_total',
      help: 'Pushes refused whole: they lied about chain, branch or size, or did not follow what is held.',
      labelNames: ['reason'],
      registers,
    });
    this.linesApplied = new Counter({
      name: 'branchline_lines_applied_total',
      help: 'Journal lines archived.',
      registers,
    });
    this.linesSetAside = new Counter({
      name: 'branchline_lines_set_aside_total',
      help: 'Journal lines that could not be projected.',
      labelNames: ['code'],
      registers,
    });
    this.linesMended = new Counter({
      name: 'branchline_lines_mended_total',
      help: 'Journal lines set aside that the hub projected later by itself.',
      registers,
    });
    this.conflicts = new Counter({
      name: 'branchline_conflicts_total',
      help: 'Disputes about facts that came in: for people to decide.',
      labelNames: ['type'],
      registers,
    });
  }
}

/** Positions asked for in one hello. */
export const PROBES_MAX = 64;

/** Hashes are chained: equal at one line means equal at all before it. So `common` is known equal, `differs` known not. */
export type ForkSpan = { common: number; differs: number };

export type ProbeVerdict = { seq: number; equal: boolean };

/** Positions to compare next, evenly spread inside the span; none when the last common line is found. */
export function probesOf({ common, differs }: ForkSpan): number[] {
  const inside = differs - common - 1;
  const count = Math.min(inside, PROBES_MAX);
  return Array.from({ length: count }, (_, at) => common + Math.ceil(((at + 1) * inside) / count));
}

/** @throws Error when the verdicts contradict each other: equal after different is no chain */
export function narrow(span: ForkSpan, verdicts: readonly ProbeVerdict[]): ForkSpan {
  const equal = verdicts.filter((verdict) => verdict.equal).map(({ seq }) => seq);
  const different = verdicts.filter((verdict) => !verdict.equal).map(({ seq }) => seq);
  const next = { common: Math.max(span.common, ...equal), differs: Math.min(span.differs, ...different) };
  if (next.common >= next.differs) throw new Error(`equal at ${next.common} after different at ${next.differs}`);
  return next;
}

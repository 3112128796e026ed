import { z } from 'zod';

/** Number of the wire's own rules (routes, headers, answers). */
export const PROTOCOL = 1;

/** With the newest are spoken those of so many releases of the wire before it: stores and head office are never upgraded at once. */
const PROTOCOLS_BACK = 2;

/** The protocols that one end speaks, both ends of the range included. */
export type ProtocolRange = { readonly from: number; readonly to: number };

/** What a release speaks whose newest protocol is `newest`. There is none before the first. */
export function spokenUpTo(newest: number): ProtocolRange {
  return { from: Math.max(1, newest - PROTOCOLS_BACK), to: newest };
}

/** What this release speaks. */
export const SPOKEN: ProtocolRange = spokenUpTo(PROTOCOL);

export function speaks({ from, to }: ProtocolRange, protocol: number): boolean {
  return protocol >= from && protocol <= to;
}

/** The newest that both ends speak; null: none. */
export function commonProtocol(one: ProtocolRange, other: ProtocolRange): number | null {
  const newest = Math.min(one.to, other.to);
  return newest >= Math.max(one.from, other.from) ? newest : null;
}

/** `[from, to]`, as the hub says it in answer to hello, and beside `426 protocol`. */
export const spokenSchema = z.tuple([z.int().min(1), z.int().min(1)]).refine(([from, to]) => from <= to);
export type Spoken = z.infer<typeof spokenSchema>;

export function rangeOf([from, to]: Spoken): ProtocolRange {
  return { from, to };
}

/** `3`, `3 to 5`: for people. */
export function rangeText({ from, to }: ProtocolRange): string {
  return from === to ? String(to) : `${from} to ${to}`;
}

/**
 * With every request: the protocol it is in. Absent: the first, which had no such header. What a body says of its own
 * protocol (hello, push) has to be spoken as well.
 */
export const PROTOCOL_HEADER = 'branchline-protocol';

/** @param said the header's value @returns null for what is no protocol's number */
export function protocolSaid(said: string | readonly string[] | undefined): number | null {
  if (said === undefined) return 1;
  return typeof said === 'string' && /^[1-9]\d{0,8}$/.test(said) ? Number(said) : null;
}

/**
 * RFC 8785 (JSON Canonicalization Scheme). ECMAScript already writes numbers and strings as the RFC asks for;
 * what remains is the order of members (by UTF-16 code units) and the refusal of what JSON cannot say.
 */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

export class NotJson extends Error {}

/** @throws NotJson for NaN, infinities, undefined array items, lone surrogates and anything that is not JSON. */
export function canonicalJson(value: unknown): string {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new NotJson(`not a JSON number: ${value}`);
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new NotJson('a string with a lone surrogate');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') return canonicalObject(value as Record<string, unknown>);
  throw new NotJson(`not JSON: ${typeof value}`);
}

function canonicalObject(value: Record<string, unknown>): string {
  const members: string[] = [];
  for (const name of Object.keys(value).sort()) {
    if (value[name] === undefined) continue; // as JSON.stringify does: absent
    members.push(`${canonicalJson(name)}:${canonicalJson(value[name])}`);
  }
  return `{${members.join(',')}}`;
}

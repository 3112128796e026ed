import { isUtf8 } from 'node:buffer';
import { problem } from './problem.js';

export const JSON_DEPTH_MAX = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * JSON as RFC 8259 wants it and no looser: `JSON.parse` takes the last of two equal keys, lone surrogates and
 * `__proto__` without a word, and two parsers that disagree about a sale are two sales.
 *
 * Costs about 11 µs over the 22 µs that JSON.parse takes for a sale of 1.7 kB (Node 20, shared core).
 *
 * @returns undefined for an empty body
 * @throws Problem `malformed-json`
 */
export function parseStrictJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) throw malformed('The body is not UTF-8.');
  const members = countMembers(bytes);
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not JSON.');
  }
  // Only an escape can smuggle in NUL or half a surrogate pair: raw ones are refused as UTF-8 or by JSON.parse.
  const kept = countKeptMembers(value, text.includes('\\u'));
  if (kept !== members) throw malformed('An object has the same key twice.');
  return value;
}

/**
 * Members written in the text: each has exactly one colon outside strings. Where fewer arrive in the parsed value, a key
 * was written twice. That is the whole duplicate check; it needs no set of keys. Depth is checked here too, before
 * anything recursive sees the value.
 */
function countMembers(bytes: Buffer): number {
  let members = 0;
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
        break;
      case COLON:
        members++;
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (++depth > JSON_DEPTH_MAX) throw malformed(`The body is nested deeper than ${JSON_DEPTH_MAX} levels.`);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
    }
  }
  return members;
}

function countKeptMembers(value: unknown, hasEscapes: boolean): number {
  if (typeof value === 'string') {
    if (hasEscapes) refuseUnsafeText(value);
    return 0;
  }
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countKeptMembers(item, hasEscapes);
    return members;
  }
  for (const [key, member] of Object.entries(value)) {
    refuseUnsafeKey(key, member);
    if (hasEscapes) refuseUnsafeText(key);
    members += 1 + countKeptMembers(member, hasEscapes);
  }
  return members;
}

/** The two ways by which a copied object can replace a prototype. */
function refuseUnsafeKey(key: string, member: unknown): void {
  if (key === '__proto__') throw malformed('The key __proto__ is not allowed.');
  if (key !== 'constructor' || typeof member !== 'object' || member === null) return;
  if (Object.hasOwn(member, 'prototype')) throw malformed('The keys constructor.prototype are not allowed.');
}

function refuseUnsafeText(text: string): void {
  if (text.includes('\0')) throw malformed('A text contains NUL.');
  if (!text.isWellFormed()) throw malformed('A text contains half a surrogate pair.');
}

function malformed(detail: string): Error {
  return problem('malformed-json', detail);
}

/** Deeper than any body of ours; a line nested beyond it is set aside rather than walked. */
const DEPTH_MAX = 64;

/** `at`: the members that lead there. */
export type Unstorable = { code: 'unstorable-text' | 'number-out-of-range'; at: string };

/**
 * Where in a parsed JSON value stands text that PostgreSQL cannot hold (NUL, half a surrogate pair), a number so large that
 * JSON would say null for it, or nesting that nothing of ours has; null when all of it can be stored. `jsonb` would refuse
 * the whole batch, not the one line.
 */
export function findUnstorable(value: unknown, path = '', depth = 0): Unstorable | null {
  if (typeof value === 'string') return isStorableText(value) ? null : unstorableText(path || 'value');
  if (typeof value === 'number') return Number.isFinite(value) ? null : { code: 'number-out-of-range', at: path };
  if (typeof value !== 'object' || value === null) return null;
  if (depth === DEPTH_MAX) return unstorableText(path);
  for (const [name, member] of Object.entries(value)) {
    if (!isStorableText(name)) return unstorableText(`a name in ${path || 'value'}`);
    const found = findUnstorable(member, path ? `${path}.${name}` : name, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

function unstorableText(at: string): Unstorable {
  return { code: 'unstorable-text', at };
}

export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** Text for a note about what could not be stored: every offending character becomes U+FFFD. */
export function storableText(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).toWellFormed().replaceAll('\0', '\uFFFD');
}

/** Part of a file, both ends in it; `whole`: no part was asked for; `none`: it begins beyond the end. */
export type ByteRange = { start: number; end: number } | 'whole' | 'none';

/**
 * RFC 9110, 14: one range of bytes (`bytes=a-`, `a-b`, `-n`). What is no such thing, or several, is answered with the whole,
 * as the RFC allows; so is a part of what has another tag by now.
 */
export function byteRange(
  { range, ifRange }: { range: string | undefined; ifRange: string | undefined },
  { bytes, etag }: { bytes: number; etag: string },
): ByteRange {
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return 'whole';
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range) ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') return Number(last) === 0 ? 'none' : { start: Math.max(0, bytes - Number(last)), end: bytes - 1 };
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= bytes) return 'none';
  return { start, end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

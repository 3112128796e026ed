/** Numbers, money and times as the page writes them; in one language, whatever the browser's. */

const LOCALE = 'en';
const plain = new Intl.NumberFormat(LOCALE);
const clockOfViewer = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const byCurrency = new Map<string, Intl.NumberFormat>();
const byZone = new Map<string, Intl.DateTimeFormat>();

export function count(value: number): string {
  return plain.format(value);
}

/** `1 sale`, `2 sales`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function money(minor: number, currency: string): string {
  const format = kept(
    byCurrency,
    currency,
    () =>
      new Intl.NumberFormat(LOCALE, { style: 'currency', currency: /^[A-Z]{3}$/.test(currency) ? currency : 'XXX' }),
  );
  return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** For an axis: no more digits than it needs. */
export function shortMoney(minor: number, currency: string): string {
  const digits = new Intl.NumberFormat(LOCALE, { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
  const short = {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    notation: 'compact',
    maximumFractionDigits: 1,
  } as const;
  return new Intl.NumberFormat(LOCALE, short).format(minor / 10 ** (digits ?? 2));
}

/** `14:03:11` on the clock of who looks. */
export function clockTime(instant: string | number): string {
  return clockOfViewer.format(new Date(instant));
}

/** `14:03`, where the second says nothing. */
export function shortTime(instant: string): string {
  return clockTime(instant).slice(0, 5);
}

/** `Fri 14:03` on the clock of a branch. */
export function localTime(instant: string, timeZone: string): string {
  const options = { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit' } as const;
  return kept(byZone, timeZone, () => new Intl.DateTimeFormat('en-GB', options))
    .format(new Date(instant))
    .replace(',', '');
}

/** `2 s`, `4 min`, `3 h`, `2 d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  return s < 36 * 3_600 ? `${Math.round(s / 3_600)} h` : `${Math.round(s / 86_400)} d`;
}

export function shortHash(hash: string): string {
  return hash.slice(0, 8);
}

function kept<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

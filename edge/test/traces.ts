import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A secret in every spelling in which bytes might hold it. */
export type Secret = { name: string; bytes: Buffer };

export function textSecrets(texts: Readonly<Record<string, string>>): Secret[] {
  return Object.entries(texts).map(([name, text]) => ({ name, bytes: Buffer.from(text, 'utf8') }));
}

/** UTF-8, UTF-16 both ways, hex, base64 at each of the three places a text may have in it. Case is passed over by the search. */
function spellings({ bytes }: Secret): Buffer[] {
  const utf16 = Buffer.from(bytes.toString('latin1'), 'utf16le');
  const base64 = [0, 1, 2].flatMap((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // The first and last characters also hold bits of what stands beside.
    const inner = shifted.slice(shift === 0 ? 0 : shift + 1, -4).replace(/=+$/, '');
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [
    bytes,
    utf16,
    Buffer.from(utf16).swap16(),
    ...[bytes.toString('hex'), ...base64].map((text) => Buffer.from(text)),
  ];
}

/** Where any of the secrets stands: `place: secret`. */
export function tracesIn(place: string, haystack: Buffer, secrets: readonly Secret[]): string[] {
  const lower = asciiLower(haystack);
  const found = secrets.filter((secret) => spellings(secret).some((spelling) => lower.includes(asciiLower(spelling))));
  return found.map(({ name }) => `${place}: ${name}`);
}

function asciiLower(bytes: Buffer): Buffer {
  const lower = Buffer.from(bytes);
  for (let at = 0; at < lower.length; at += 1) {
    const byte = lower[at] as number;
    if (byte >= 0x41 && byte <= 0x5a) lower[at] = byte | 0x20;
  }
  return lower;
}

/** In all files of a folder, also in those that come and go meanwhile. */
export function tracesInFolder(name: string, folder: string, secrets: readonly Secret[]): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
    const path = join(folder, file);
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? tracesIn(`${name}/${file}`, readFileSync(path), secrets) : [];
  });
}

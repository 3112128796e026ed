import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** `etag`: of the bytes, so that a browser that has them is told so. */
export type PageFile = { bytes: Buffer; contentType: string; etag: string };

const CONSOLE = new URL('../../console/', import.meta.url);
const SCRIPT = 'text/javascript; charset=utf-8';
const SCRIPTS = [
  'branch-row',
  'chart',
  'chart-data',
  'dom',
  'format',
  'hint',
  'hub',
  'main',
  'overview',
  'watch',
  'words',
] as const;

/** Every file of the page, by name: what is not named here is not served, whatever lies in the folder. */
const FILES: Readonly<Record<string, { path: string; contentType: string }>> = {
  'index.html': { path: 'page/index.html', contentType: 'text/html; charset=utf-8' },
  'console.css': { path: 'page/console.css', contentType: 'text/css; charset=utf-8' },
  'icon.svg': { path: 'page/icon.svg', contentType: 'image/svg+xml' },
  ...Object.fromEntries(SCRIPTS.map((name) => [`${name}.js`, { path: `dist/${name}.js`, contentType: SCRIPT }])),
};

/** Read once, at the first asking; some tens of kilobytes. */
export class PageFiles {
  private readonly read = new Map<string, Promise<PageFile>>();

  /** @returns undefined for what is no file of the page @throws Error where the page was not built */
  file(name: string): Promise<PageFile> | undefined {
    if (!Object.hasOwn(FILES, name)) return undefined;
    let file = this.read.get(name);
    if (file === undefined) this.read.set(name, (file = readPageFile(name)));
    return file;
  }
}

async function readPageFile(name: string): Promise<PageFile> {
  const { path, contentType } = FILES[name] as { path: string; contentType: string };
  const bytes = await readFile(new URL(path, CONSOLE));
  return { bytes, contentType, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath, URL } from 'node:url';
import { transform } from '@swc/core';
import jest from '../../../jest.config.js';

/** The same as Jest makes of it. */
const [[, [, options]]] = Object.entries(jest.transform);

/** `./tx.js` is `./tx.ts` here, and our own packages are their sources. */
export async function resolve(specifier, context, next) {
  const { parentURL, conditions } = context;
  if (specifier.startsWith('.') && specifier.endsWith('.js') && parentURL?.endsWith('.ts')) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), parentURL);
    if (existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, { ...context, conditions: ['source', ...conditions] });
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, 'utf8'), { ...options, filename, swcrc: false });
  return { format: 'module', source: code, shortCircuit: true };
}

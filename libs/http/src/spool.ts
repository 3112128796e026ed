import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { problem } from './problem.js';

export type Spooled = { path: string; bytes: number; remove(): Promise<void> };

/**
 * Writes what comes into a file of our own, which nobody else can read or change, so that it may be gone through twice and
 * whoever brought it may go. Memory: a piece.
 *
 * @param place folder in which a folder is made for it @throws Problem `body-too-large`, after which nothing is left
 */
export async function spool(source: AsyncIterable<Buffer>, place: string, bytesMax: number): Promise<Spooled> {
  const folder = await mkdtemp(join(place, 'spool-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'body');
    const file = await open(path, 'wx', 0o600);
    try {
      return { path, bytes: await writeAll(source, file, bytesMax), remove };
    } finally {
      await file.close();
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The body of a request whose content type is streamed. @throws Problem `unsupported-media-type` when it was another */
export function streamedBody(body: unknown, contentType: string): AsyncIterable<Buffer> {
  if (!(body instanceof Readable)) throw problem('unsupported-media-type', `Send it as ${contentType}.`);
  return body;
}

async function writeAll(source: AsyncIterable<Buffer>, file: FileHandle, bytesMax: number): Promise<number> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > bytesMax) throw problem('body-too-large', `At most ${bytesMax} bytes are taken.`);
    await file.writeFile(piece);
  }
  return bytes;
}

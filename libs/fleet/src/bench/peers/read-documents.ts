import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

export type SaleDocument = { id: string } & Record<string, unknown>;

/** Of a file with one document a line: those from one place to another, some at a time. */
export async function* readDocuments(
  file: string,
  { from, to, atATime }: { from: number; to: number; atATime: number },
): AsyncGenerator<SaleDocument[]> {
  let at = 0;
  let some: SaleDocument[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (at >= to) break;
    if (at++ < from) continue;
    if (some.push(JSON.parse(line) as SaleDocument) < atATime) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

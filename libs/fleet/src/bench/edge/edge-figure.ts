import type { EdgeBox } from '../../chain/edge-box.js';
import { JsonClient } from '../../chain/json-client.js';

/** What the edge says of its own process, as its scraper would hear it. */
export async function edgeFigure(box: Pick<EdgeBox, 'url'>, name: string, signal: AbortSignal): Promise<number> {
  const http = new JsonClient(box.url, signal);
  try {
    const { body } = await http.ask({ method: 'GET', path: '/metrics' });
    return figureOfMetrics(String(body), name);
  } finally {
    http.close();
  }
}

/** One figure without labels from what `/metrics` answers. @throws when it is not there */
export function figureOfMetrics(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  const value = Number(line?.split(' ')[1] ?? Number.NaN);
  if (Number.isNaN(value)) throw new Error(`/metrics tells no ${name}`);
  return value;
}

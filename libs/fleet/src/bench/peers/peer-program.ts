import type { Server } from 'node:http';
import { stopWithParent } from '@branchline/http/exit.js';

/** What `PeerPair` hands to the programs of a peer. */
export interface PeerArguments {
  /** Where its packages were installed. */
  modules: string;
  /** Its own files. */
  data: string;
  /** Of a client: where the server is. */
  serverUrl: string;
  /** How long one side waits for the answer of the other, if that is to be set at all. */
  patienceS: number;
  /** Of a client that only fills its store: documents, from one place to another. */
  fill: { file: string; from: number; to: number } | null;
}

export function peerArguments(): PeerArguments {
  return JSON.parse(process.argv[2] ?? '') as PeerArguments;
}

/** Ends at once when told to: what has to be closed closes in time, or is of those who do not. */
export function tellReady(url: string, close: () => Promise<void>): void {
  stopWithParent();
  const end = (): void => void close().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.stdout.write(`${JSON.stringify({ ready: true, url })}\n`);
}

export function listenAnywhere(server: Server): Promise<string> {
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      done(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`);
    });
  });
}

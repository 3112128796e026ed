import { createServer } from 'node:net';
import { EnvironmentFailure } from '@branchline/http/exit.js';

/** A port of 127.0.0.1 that is free at this moment. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

/** @throws EnvironmentFailure */
export async function assertPortIsFree(port: number): Promise<void> {
  try {
    await listenOnce(port);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new EnvironmentFailure(
      inUse ? `port ${port} is in use` : `cannot listen on port ${port}: ${(error as Error).message}`,
    );
  }
}

function listenOnce(port: number): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : port));
    });
  });
}

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { EnvironmentFailure } from '@branchline/http/exit.js';

/**
 * Below those that Linux, macOS and Windows give to outgoing connections: one of these is still free when whoever it was
 * chosen for begins to listen, seconds later. Of the others one start in some hundreds found its port taken meanwhile.
 */
const LISTEN_PORT_MIN = 10_000;
const LISTEN_PORT_END = 32_000;
const TRIES_MAX = 50;

/** A port of 127.0.0.1 that is free at this moment, and that no outgoing connection will take. */
export async function freePort(): Promise<number> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const port = randomInt(LISTEN_PORT_MIN, LISTEN_PORT_END);
    if (await isFree(port)) return port;
  }
  return listenOnce(0);
}

function isFree(port: number): Promise<boolean> {
  return listenOnce(port).then(
    () => true,
    () => false,
  );
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

import { statfsSync } from 'node:fs';
import { EnvironmentFailure } from '@branchline/http/exit.js';

/** @throws EnvironmentFailure when the disk of that folder has less left; `cause` is what came of it */
export function assertSpace(folder: string, bytesMin: number, cause?: Error): void {
  const { bavail, bsize } = statfsSync(folder);
  const leftBytes = bavail * bsize;
  if (leftBytes >= bytesMin) return;
  const left = `${folder}: ${megabytes(leftBytes)} left on its disk`;
  if (cause === undefined) throw new EnvironmentFailure(`${left}, ${megabytes(bytesMin)} are needed`);
  // Some failures to connect have no message.
  throw new EnvironmentFailure(`${left}: ${cause.message || cause.name}`, { cause });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / (1024 * 1024))} MB`;
}

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { type ChainDatabase, openChainDatabase } from '../chain/chain-database.js';

/** A chain's database that can be set back to an earlier copy of its files, as an operator does who has only that. */
export class CopiedDatabase implements ChainDatabase {
  private constructor(
    private readonly dataDir: string,
    private server: ChainDatabase,
  ) {}

  static async open(dataDir: string): Promise<CopiedDatabase> {
    return new CopiedDatabase(dataDir, await openServer(dataDir));
  }

  get url(): string {
    return this.server.url;
  }

  get pid(): number | null {
    return this.server.pid;
  }

  /** Stopped in order, copied file by file, started again. Whoever is connected loses its connection. */
  async copyTo(folder: string): Promise<void> {
    await this.server.stop();
    copyFolder(join(this.dataDir, 'postgres'), folder);
    this.server = await openServer(this.dataDir);
  }

  async putBack(folder: string): Promise<void> {
    await this.server.stop();
    copyFolder(folder, join(this.dataDir, 'postgres'));
    this.server = await openServer(this.dataDir);
  }

  empty(): Promise<void> {
    return this.server.empty();
  }

  lost(signal: AbortSignal): Promise<void> {
    return this.server.lost(signal);
  }

  release(): void {
    this.server.release();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  remove(): Promise<void> {
    return this.server.remove();
  }
}

function openServer(dataDir: string): Promise<ChainDatabase> {
  return openChainDatabase({ dataDir, serverUrl: undefined, name: 'branchline', durability: 'full' });
}

/** With owners and modes: as root, PostgreSQL runs as another user. What stood at the target is gone. */
export function copyFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new EnvironmentFailure(`cannot copy ${from} to ${to}: ${stderr.trim()}`);
}

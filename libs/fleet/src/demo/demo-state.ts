import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';
import { makeFolder, readPrivateJson, writePrivateJson } from '../chain/private-file.js';
import { startMarkOf } from '../process-table.js';

const operatorSchema = z.object({ operator: z.string(), name: z.string(), role: z.string(), pin: z.string() });
const branchSchema = z.object({
  code: z.string(),
  name: z.string(),
  priceZone: z.string(),
  till: z.string(),
  deviceToken: z.string(),
  operators: z.array(operatorSchema),
});
const stateSchema = z.object({
  headOffice: z.object({ email: z.string(), password: z.string() }),
  branches: z.array(branchSchema).min(1),
});

/** What a later start needs to go on; written once, when all is set up. */
export type DemoState = z.output<typeof stateSchema>;
export type DemoBranchState = z.output<typeof branchSchema>;

/** Ours in the data folder; nothing else there is ever touched. */
const OURS = ['hub-secrets', 'edges', 'logs', 'shifts', 'state.json', 'fleet.json', 'sign-ins.json', 'pids.json'];
const LOCK = 'supervisor.pid';

export class DemoFolder {
  private constructor(readonly path: string) {}

  /** One supervisor a folder. @throws EnvironmentFailure */
  static open(path: string): DemoFolder {
    makeFolder(path);
    const lock = join(path, LOCK);
    const [pid = '', mark] = existsSync(lock) ? readFileSync(lock, 'utf8').split('\n') : [];
    if (Number(pid) !== process.pid && mark && startMarkOf(Number(pid)) === mark) {
      throw new EnvironmentFailure(`${path} is in use by process ${pid}`);
    }
    try {
      writeFileSync(lock, `${process.pid}\n${startMarkOf(process.pid) ?? ''}\n`);
    } catch (error) {
      throw new EnvironmentFailure(`cannot write into ${path}: ${(error as Error).message}`);
    }
    for (const name of ['hub-secrets', 'edges', 'shifts']) makeFolder(join(path, name), 0o700);
    return new DemoFolder(path);
  }

  release(): void {
    rmSync(join(this.path, LOCK), { force: true });
  }

  file(name: 'fleet.json' | 'sign-ins.json'): string {
    return join(this.path, name);
  }

  /** Null: never set up, or not to the end. */
  readState(): DemoState | null {
    return readPrivateJson(join(this.path, 'state.json'), stateSchema);
  }

  writeState(state: DemoState): void {
    writePrivateJson(join(this.path, 'state.json'), state);
  }

  shiftFile(branch: string): string {
    return join(this.path, 'shifts', `${branch}.json`);
  }

  edgeDatabase(branch: string): string {
    return join(this.path, 'edges', branch, 'edge.db');
  }

  /** What was set up half-way or is not wanted any more. The database goes separately. */
  wipe(): void {
    for (const name of OURS) rmSync(join(this.path, name), { recursive: true, force: true });
    for (const name of ['hub-secrets', 'edges', 'shifts']) makeFolder(join(this.path, name), 0o700);
  }
}

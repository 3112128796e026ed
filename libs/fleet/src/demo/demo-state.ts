import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { lockFolder } from '../chain/folder-lock.js';
import { makeFolder, readPrivateJson, writePrivateJson } from '../chain/private-file.js';

const operatorSchema = z.object({ operator: z.string(), name: z.string(), role: z.string(), pin: z.string() });
const branchSchema = z.object({
  code: z.string(),
  name: z.string(),
  timeZone: z.string(),
  tills: z.array(z.object({ till: z.string(), deviceToken: z.string() })).min(1),
  operators: z.array(operatorSchema),
});
const stateSchema = z.object({
  headOffice: z.object({ email: z.string(), password: z.string() }),
  branches: z.array(branchSchema).min(1),
});

/** What a later start needs to go on; written once, when all is set up. */
export type DemoState = z.output<typeof stateSchema>;
export type DemoBranchState = z.output<typeof branchSchema>;

const STATE = 'state.json';
/** Ours in the data folder; nothing else there is ever touched. */
const OURS = ['hub-secrets', 'edges', 'logs', 'tills', 'told', STATE, 'fleet.json', 'sign-ins.json', 'pids.json'];
const FOLDERS = ['hub-secrets', 'edges', 'tills', 'told'];

export class DemoFolder {
  private constructor(
    readonly path: string,
    /** Lets another supervisor have it. */
    readonly release: () => void,
  ) {}

  /** One supervisor a folder. @throws EnvironmentFailure */
  static open(path: string): DemoFolder {
    makeFolder(path);
    const release = lockFolder(path);
    for (const name of FOLDERS) makeFolder(join(path, name), 0o700);
    return new DemoFolder(path, release);
  }

  file(name: 'fleet.json' | 'sign-ins.json'): string {
    return join(this.path, name);
  }

  /** Null: never set up, or not to the end. */
  readState(): DemoState | null {
    return readPrivateJson(join(this.path, STATE), stateSchema);
  }

  writeState(state: DemoState): void {
    writePrivateJson(join(this.path, STATE), state);
  }

  /** Before anything else is undone: a start that is killed from here on leaves a chain that was never set up, not half of one. */
  forgetState(): void {
    rmSync(join(this.path, STATE), { force: true });
  }

  /** What a till has to know after a crash. */
  tillFile(branch: string, till: string): string {
    return join(this.path, 'tills', `${branch}-${till}.json`);
  }

  /** What the tills of a branch were told is done. */
  toldFolder(branch: string): string {
    return join(this.path, 'told', branch);
  }

  edgeDatabase(branch: string): string {
    return join(this.path, 'edges', branch, 'edge.db');
  }

  /** What was set up half-way or is not wanted any more. The database goes separately. */
  wipe(): void {
    for (const name of OURS) rmSync(join(this.path, name), { recursive: true, force: true, maxRetries: 10 });
    for (const name of FOLDERS) makeFolder(join(this.path, name), 0o700);
  }
}

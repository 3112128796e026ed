import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { type Edit, NoLongerFits, plant } from './mutant.js';

const LISTING_BYTES_MAX = 64 * 1024 * 1024;
/** Our own packages: links into the checkout. They must lead into the copy, or the source without the bug is tested. */
const OWN_SCOPE = '@branchline';

/** A copy of the working tree as it is now, ignored files left out, with what was built and the packages that are installed. */
export class WorkCopy {
  private readonly removeOnExit = (): void => rmSync(this.folder, { recursive: true, force: true });

  private constructor(
    private readonly root: string,
    readonly folder: string,
  ) {
    process.on('exit', this.removeOnExit);
  }

  /** @throws EnvironmentFailure outside a git checkout, or before `npm ci` */
  static of(root: string): WorkCopy {
    const files = listFiles(root);
    const copy = new WorkCopy(root, mkdtempSync(join(tmpdir(), 'branchline-mutants-')));
    try {
      for (const file of files) copy.take(file);
      linkPackages(join(root, 'node_modules'), join(copy.folder, 'node_modules'));
      for (const project of projectsOf(files)) copy.takeBuilt(project);
    } catch (error) {
      copy.remove();
      throw error;
    }
    return copy;
  }

  /** All or nothing. @returns how to take the bug out again @throws NoLongerFits */
  plant(edits: readonly Edit[]): () => void {
    const before = new Map<string, string>();
    const after = new Map<string, string>();
    for (const edit of edits) {
      const path = join(this.folder, edit.file);
      if (!existsSync(path)) throw new NoLongerFits(`${edit.file} is not there`);
      const source = after.get(path) ?? readFileSync(path, 'utf8');
      if (!before.has(path)) before.set(path, source);
      after.set(path, plant(source, edit));
    }
    for (const [path, source] of after) writeFileSync(path, source);
    return () => {
      for (const [path, source] of before) writeFileSync(path, source);
    };
  }

  /** What was built of a project, as it is in the checkout. */
  takeBuilt(project: string): void {
    const from = join(this.root, project, 'dist');
    const to = join(this.folder, project, 'dist');
    rmSync(to, { recursive: true, force: true });
    if (existsSync(from)) cpSync(from, to, { recursive: true });
  }

  remove(): void {
    process.removeListener('exit', this.removeOnExit);
    this.removeOnExit();
  }

  private take(file: string): void {
    const from = join(this.root, file);
    // Deleted, and the deletion not yet committed.
    if (!existsSync(from)) return;
    const to = join(this.folder, file);
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
}

function listFiles(root: string): string[] {
  try {
    const options = { cwd: root, encoding: 'utf8', maxBuffer: LISTING_BYTES_MAX, stdio: 'pipe' } as const;
    const listing = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], options);
    return listing.split('\0').filter((file) => file !== '');
  } catch (error) {
    throw new EnvironmentFailure(`git cannot list the files of ${root}: ${(error as Error).message}`);
  }
}

function projectsOf(files: readonly string[]): string[] {
  return files.filter((file) => file.endsWith('/tsconfig.json')).map((file) => dirname(file));
}

function linkPackages(from: string, to: string): void {
  if (!existsSync(from)) throw new EnvironmentFailure(`${from} is missing: run \`npm ci\` first`);
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    if (name !== OWN_SCOPE) symlinkSync(join(from, name), join(to, name));
  }
  const own = join(from, OWN_SCOPE);
  mkdirSync(join(to, OWN_SCOPE));
  for (const name of readdirSync(own)) {
    if (!lstatSync(join(own, name)).isSymbolicLink())
      throw new EnvironmentFailure(`${join(own, name)} is no workspace link`);
    symlinkSync(readlinkSync(join(own, name)), join(to, OWN_SCOPE, name));
  }
}

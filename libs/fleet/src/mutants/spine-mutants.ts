import type { Mutant } from './mutant.js';

/** The first six, those that the issue *spine* names. */
export const SPINE_MUTANTS: readonly Mutant[] = [
  {
    name: 'no-dedupe-at-ingest',
    breaks: 'what is pushed again is taken for new lines',
    edits: [
      {
        file: 'hub/src/sync/ingest.ts',
        find: 'const overlap = appliedSeq + 1 - header.fromSeq;',
        replace: 'const overlap = 0;',
      },
    ],
    specs: ['hub/test/push.spec.ts'],
  },
  {
    name: 'answer-before-commit',
    breaks: 'the till is told that its sale is done before the disk has it',
    edits: [
      {
        file: 'edge/src/store/writer.ts',
        find: `      this.parts.connection.run('COMMIT');
    } catch (error) {
      this.failGroup(group, error);`,
        replace: `      for (const answer of answers) answer();
      this.parts.connection.run('COMMIT');
    } catch (error) {
      this.failGroup(group, error);`,
      },
    ],
    specs: ['edge/src/store/writer.spec.ts'],
  },
  {
    name: 'chain-head-in-memory',
    breaks: 'the chain goes on from a head that a savepoint has taken back',
    edits: [
      {
        file: 'edge/src/store/journal.ts',
        find: `  const row = tx.get<HeadRow>(HEAD_SQL);
  return row === undefined ? null : { ...row, hash: row.hash.toString('hex') };
}`,
        replace: `  const row = tx.get<HeadRow>(HEAD_SQL);
  const head = row === undefined ? null : { ...row, hash: row.hash.toString('hex') };
  const remembered = heads.get(tx);
  return head !== null && remembered?.incarnationNo === head.incarnationNo ? { ...head, ...remembered } : head;
}

const heads = new WeakMap<ReadTx, { incarnationNo: number; seq: number; hash: string }>();`,
      },
      {
        file: 'edge/src/store/journal.ts',
        find: `    line.hlc,
  );
  return hash;`,
        replace: `    line.hlc,
  );
  heads.set(tx, { incarnationNo: place.incarnationNo, seq: place.seq, hash: hash.toString('hex') });
  return hash;`,
      },
    ],
    specs: ['edge/src/store/writer.spec.ts'],
  },
  {
    name: 'jwt-audience-not-checked',
    breaks: 'a token for one audience opens the doors of another',
    edits: [{ file: 'libs/access/src/jwt-strategy.ts', find: '        audience: settings.audience,\n', replace: '' }],
    specs: ['libs/access/test/guard.spec.ts'],
  },
  {
    name: 'cursor-before-effects',
    breaks: 'the cursor of a scope is at the end of the page while only its first records are staged',
    edits: [
      {
        file: 'edge/src/replicator/feed-staging.ts',
        find: 'number, hash, newest: page.newest });',
        replace: 'number, hash, ...page.records.at(-1), newest: page.newest });',
      },
    ],
    specs: ['edge/test/pull.spec.ts'],
  },
  {
    name: 'branch-taken-from-body',
    breaks: 'facts go to the branch that the first line names, not to that of the token',
    edits: [
      {
        file: 'hub/src/sync/apply-push.ts',
        find: 'push, read, standing, { box, timeZone,',
        replace: `push, read, standing, {
        box: { ...box, branchId: (read.readings[0] as { ready?: { body: { branch?: string } } }).ready?.body.branch ?? box.branchId },
        timeZone,`,
      },
    ],
    specs: ['hub/test/push.spec.ts'],
  },
];

import type { Mutant } from './mutant.js';

const INCARNATION = 'edge/src/store/incarnation.ts';
const INCARNATION_SPEC = 'edge/src/store/incarnation.spec.ts';
const WHO_IS_WHO_SPEC = 'edge/test/who-is-who.spec.ts';

/** The store's box: its one writer, its witness, its numbers. */
export const EDGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'receipt-counter-not-moved',
    breaks: 'two receipts bear one number',
    edits: [
      {
        file: 'edge/src/selling/apply-sale.ts',
        find: 'DO UPDATE SET last = max(last, excluded.last)`',
        replace: 'DO UPDATE SET last = last`',
      },
    ],
    specs: ['edge/test/selling.spec.ts'],
  },
  {
    name: 'answer-before-witness',
    breaks: 'a till knows of a sale that the witness does not: a file restored to before it goes unnoticed',
    edits: [
      {
        file: 'edge/src/store/writer.ts',
        find: `    const moved = this.writeWitness();
    for (const answer of answers) answer();`,
        replace: `    for (const answer of answers) answer();
    const moved = this.writeWitness();`,
      },
    ],
    specs: ['edge/src/store/writer.spec.ts'],
  },
  {
    name: 'witness-not-judged',
    breaks: 'a restored file goes on in the incarnation that has gone on without it',
    edits: [{ file: INCARNATION, find: 'if (hasLine(tx, witnessed)) return null;', replace: 'return null;' }],
    specs: [INCARNATION_SPEC],
  },
  {
    name: 'epoch-forgets-the-witness',
    breaks: 'a file that was lost prints receipt numbers again',
    edits: [
      {
        file: INCARNATION,
        find: '(known?.hub ?? 0) + 1, epochAbove + 1, box.epoch)',
        replace: '(known?.hub ?? 0) + 1, box.epoch)',
      },
    ],
    specs: [INCARNATION_SPEC],
  },
  {
    name: 'writes-on-while-behind',
    breaks: 'a restored file writes other lines where the hub has some already',
    edits: [
      {
        file: 'edge/src/replicator/history-due.ts',
        find: 'known.incarnationNo === head?.incarnationNo',
        replace: 'head?.incarnationNo === -1',
      },
    ],
    specs: [WHO_IS_WHO_SPEC],
  },
  {
    name: 'unsigned-lines-taken',
    breaks: 'whoever stands in the hub’s place invents sales',
    edits: [
      {
        file: 'edge/src/replicator/lines-round.ts',
        find: 'if (!headIsSigned(',
        replace: 'if (false && !headIsSigned(',
      },
    ],
    specs: [WHO_IS_WHO_SPEC],
  },
  {
    name: 'doubled-receipt-not-flagged',
    breaks: 'a receipt number that was doubled is not flagged',
    edits: [
      {
        file: 'edge/src/selling/take-sale.ts',
        find: 'const flags = isDoubled ?',
        replace: 'const flags = !isDoubled && false ?',
      },
    ],
    specs: [WHO_IS_WHO_SPEC],
  },
  {
    name: 'orphans-never-adopted',
    breaks: 'a shift that came after its sales has no cash',
    edits: [
      {
        file: 'edge/src/selling/take-sale.ts',
        find: 'if (!isAwaited) return;',
        replace: 'if (isAwaited) return;',
      },
    ],
    specs: [WHO_IS_WHO_SPEC],
  },
  {
    name: 'start-of-a-fork-forgotten',
    breaks: 'a file whose history was forked is not the one that its journal makes',
    edits: [
      {
        file: 'edge/src/store/rebuild.ts',
        find: 'const heads = forkHeads(source);',
        replace: 'const heads = new Map<number, { seq: number; hash: Buffer }>();',
      },
    ],
    specs: [WHO_IS_WHO_SPEC],
  },
  {
    name: 'bugs-keep-their-rows',
    breaks: 'what a command wrote before it failed stays in the file',
    edits: [{ file: 'edge/src/store/writer.ts', find: "      connection.run('ROLLBACK TO task');\n", replace: '' }],
    specs: ['edge/src/store/writer.spec.ts'],
  },
  {
    name: 'bugs-keep-their-rows-without-a-savepoint',
    breaks: 'what a command wrote before it failed is committed with its group',
    edits: [
      {
        file: 'edge/src/store/writer.ts',
        find: 'return connection.runs === runs ? () => task.reject(error) : null;',
        replace: 'return () => task.reject(error);',
      },
    ],
    specs: ['edge/src/store/writer.spec.ts'],
  },
  {
    name: 'close-forgets-what-waits',
    breaks: 'a close of the edge forgets the sales that wait for the writer’s thread',
    edits: [
      {
        file: 'edge/src/store/threaded-writer.ts',
        find: "      this.sendUnsent();\n      this.send({ kind: 'close' });",
        replace: "      this.send({ kind: 'close' });",
      },
    ],
    specs: ['edge/test/threaded-writer.spec.ts'],
  },
  {
    name: 'restore-leaves-the-log',
    breaks: 'what was told last is left behind by a restore onto a disk that ends',
    edits: [{ file: 'edge/src/store/keep.ts', find: '      bringLogHome(restored);\n', replace: '' }],
    specs: ['edge/test/disk-that-ends.spec.ts'],
  },
  {
    name: 'authority-signs-for-anybody',
    breaks: 'whoever steals a box poses as any site to the tills of its store',
    edits: [
      {
        file: 'edge/src/trust/issue.ts',
        find: '        new Extension(NAME_CONSTRAINTS_OID, true, nameConstraints(permission)),\n',
        replace: '',
      },
    ],
    specs: ['edge/src/trust/own-certificate.spec.ts'],
  },
  {
    name: 'long-read-of-several-moments',
    breaks: 'the sums of a report are of different moments, since the writer commits while it is made',
    edits: [
      { file: 'edge/src/store/serve-reads.ts', find: "  connection.run('BEGIN');\n", replace: '' },
      { file: 'edge/src/store/serve-reads.ts', find: "    connection.run('COMMIT');\n", replace: '' },
    ],
    specs: ['edge/test/reader.spec.ts'],
  },
  {
    name: 'no-room-for-the-number',
    breaks: 'a box with a line of the greatest length can never leave its history',
    edits: [
      {
        file: 'edge/src/store/journal.ts',
        find: 'const bytesMost = bytes.length - String(seq).length + SEQ_DIGITS_MAX;',
        replace: 'const bytesMost = bytes.length + 0 * (seq + SEQ_DIGITS_MAX);',
      },
    ],
    specs: ['edge/src/store/longest-line.spec.ts'],
  },
  {
    name: 'lost-answer-hides-what-waits',
    breaks: 'nobody at the store is told which lines wait at head office when an answer was lost',
    edits: [
      {
        file: 'edge/src/replicator/learn-streams.ts',
        find: '[...entries, ...setAside, ...(isRenewed',
        replace: '[...entries, ...(isRenewed',
      },
    ],
    specs: ['edge/test/lost-answers.spec.ts'],
  },
];

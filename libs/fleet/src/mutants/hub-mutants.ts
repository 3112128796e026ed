import type { Mutant } from './mutant.js';

const INGEST = 'hub/src/sync/ingest.ts';
const PUSH_SPEC = 'hub/test/push.spec.ts';

/** Head office: what it takes in, what it numbers, whom it shows what. */
export const HUB_MUTANTS: readonly Mutant[] = [
  {
    name: 'fork-not-noticed',
    breaks: 'lines of another history are appended to the one that is held',
    edits: [
      {
        file: INGEST,
        find: 'if (ours !== header.previousHash) return fork;',
        replace: 'if (ours === undefined) return fork;',
      },
    ],
    specs: ['hub/test/forks.spec.ts'],
  },
  {
    name: 'gap-not-noticed',
    breaks: 'lines are taken in although some before them are missing',
    edits: [
      {
        file: INGEST,
        find: 'if (header.fromSeq > appliedSeq + 1) return',
        replace: 'if (header.fromSeq > appliedSeq + 1e9) return',
      },
    ],
    specs: [PUSH_SPEC],
  },
  {
    name: 'signature-not-checked',
    breaks: 'whoever holds a token can push lines that the box never signed',
    edits: [
      { file: 'hub/src/sync/apply-push.ts', find: 'if (!isSigned(push, box)) throw', replace: 'if (!push) throw' },
    ],
    specs: [PUSH_SPEC],
  },
  {
    name: 'bisect-drops-neighbours',
    breaks: 'with a bad line a good one is lost',
    edits: [
      {
        file: 'hub/src/sync/project-bisecting.ts',
        find: 'attempt(tx, context, lines.slice(middle), budget)',
        replace: 'attempt(tx, context, lines.slice(middle + 1), budget)',
      },
    ],
    specs: ['hub/test/projection.spec.ts'],
  },
  {
    name: 'other-content-passes',
    breaks: 'a fact that comes again with other content goes unnoticed',
    edits: [
      {
        file: 'hub/src/sync/facts.ts',
        find: 'if (first.contentHash === line.contentHash) repeats',
        replace: 'if (first.contentHash) repeats',
      },
    ],
    specs: ['hub/test/projection.spec.ts'],
  },
  {
    name: 'no-tenant-wall',
    breaks: 'row-level security shows every tenant every row',
    edits: [
      {
        file: 'hub/src/database/migrations/000001-tenants-people-catalogue-feed.ts',
        find: "USING (tenant_id = (SELECT nullif(current_setting(''branchline.tenant_id'', true), '''')::uuid))",
        replace: 'USING (true)',
      },
    ],
    specs: ['hub/test/row-level-security.spec.ts'],
  },
  {
    name: 'owner-role-kept',
    breaks: 'a unit of work runs as the role that row-level security does not bind',
    edits: [
      {
        file: 'hub/src/database/unit-of-work.ts',
        find: "set_config('role', 'branchline_app', true)",
        replace: "set_config('role', current_user::text, true)",
      },
    ],
    specs: ['hub/test/unit-of-work.spec.ts'],
  },
  {
    name: 'long-pushes-in-any-order',
    breaks: 'a box sends its next push ahead, and the thread writes whichever was read first',
    edits: [
      {
        file: 'hub/src/sync/bulk/serve-bulk-pushes.ts',
        find: '  await before;',
        replace: '  void before;',
      },
    ],
    specs: ['hub/test/bulk-thread.spec.ts'],
  },
  {
    name: 'long-pushes-give-way-without-measure',
    breaks: 'beside a chain that sells all the time a backlog hardly goes on',
    edits: [
      {
        file: 'hub/src/sync/bulk/short-pushes.ts',
        find: 'Math.min(WAIT_MS_MAX, creditMs + (beganMs - lastMs) / 2)',
        replace: 'WAIT_MS_MAX',
      },
    ],
    specs: ['hub/src/sync/bulk/short-pushes.spec.ts'],
  },
  {
    name: 'sequencer-without-lock',
    breaks: 'two hub processes number the feed at once',
    edits: [
      {
        file: 'hub/src/feed/number-outbox.ts',
        find: "SELECT pg_advisory_xact_lock(hashtext('branchline sequencer'), hashtext($1))",
        replace: 'SELECT hashtext($1)',
      },
    ],
    specs: ['hub/test/sequencer.spec.ts'],
  },
  {
    name: 'reuse-rolled-back',
    breaks: 'that a refresh token was copied is noticed and forgotten with the transaction',
    edits: [
      {
        file: 'hub/src/people/refresh.ts',
        find: "await endFamily(tx, row.family_id, 'reuse', nowMs);",
        replace: "await endFamily(tx, row.family_id, 'reuse', nowMs);\n    throw problem('refresh-reused');",
      },
    ],
    specs: ['hub/test/sign-in.spec.ts'],
  },
  {
    name: 'link-outlives-sign-out',
    breaks: 'whoever signs out stays signed in wherever a link of his was followed',
    edits: [
      {
        file: 'hub/src/people/refresh.ts',
        find: 'ON child.parent_id = ending.id',
        replace: 'ON child.parent_id = ending.id AND false',
      },
    ],
    specs: ['hub/test/sign-in-links.spec.ts'],
  },
  {
    name: 'link-of-a-stranger',
    breaks: 'whoever opens a link that was sent to him becomes its sender without a word',
    edits: [
      {
        file: 'hub/src/people/sign-in-links.ts',
        find: 'if (here && here.personId !== link.personId)',
        replace: 'if (here && here.personId === link.email)',
      },
    ],
    specs: ['hub/test/sign-in-links.spec.ts'],
  },
  {
    name: 'heard-by-one-process',
    breaks: 'of two hub processes each calls the boxes of the other one silent',
    edits: [
      {
        file: 'hub/src/fleet/list-fleet.ts',
        find: 'greatest(x.last_contact_at, contact.at, stream.last_push_at)',
        replace: 'greatest(x.last_contact_at, stream.last_push_at)',
      },
    ],
    specs: ['hub/test/today.spec.ts'],
  },
  {
    name: 'archive-with-holes',
    breaks: 'the archive takes lines that follow none that is there, and a line twice',
    edits: [
      {
        file: 'hub/src/database/migrations/000006-journal-chunks.ts',
        find: 'FOREIGN KEY (branch_id, incarnation, follows_seq) REFERENCES journal_chunk (branch_id, incarnation, last_seq)',
        replace: 'CHECK (true)',
      },
    ],
    specs: ['hub/test/archive.spec.ts'],
  },
  {
    name: 'tax-told-as-all',
    breaks: 'a tax that is a part of a line’s is stored as all of it',
    edits: [
      {
        file: 'hub/src/sync/sale-columns.ts',
        find: 'taxes.length === 1 && tax?.amountMinor === taxMinor ? tax : null',
        replace: 'taxes.length === 1 && tax && taxMinor !== -1 ? tax : null',
      },
    ],
    specs: ['hub/test/derived-rows.spec.ts'],
  },
  {
    name: 'verify-trusts-the-kept-hash',
    breaks: 'verify compares what was kept with itself and not with the archived bytes',
    edits: [
      {
        file: 'hub/src/verify/chain-walk.ts',
        find: 'const linked = this.kept === null ? hash : chainHash(this.kept, bytes);',
        replace: 'const linked = this.kept === null ? hash : chainHash(this.kept, bytes) && hash;',
      },
    ],
    specs: ['hub/test/verify.spec.ts'],
  },
  {
    name: 'verify-adds-rows-only',
    breaks: 'verify takes what the rows say for what the archive says',
    edits: [
      {
        file: 'hub/src/verify/fact-comparison.ts',
        find: "if (told !== null) this.differences.add('altered-row'",
        replace: "if (told === '') this.differences.add('altered-row'",
      },
    ],
    specs: ['hub/test/verify.spec.ts'],
  },
  {
    name: 'nudge-crosses-tenants',
    breaks: 'boxes of one tenant are told that another has changed something',
    edits: [
      {
        file: 'hub/src/feed/nudge-streams.ts',
        find: 'if (stream.box.tenantId !== tenant) continue;',
        replace: 'if (!tenant) continue;',
      },
    ],
    specs: ['hub/test/nudges.spec.ts'],
  },
  {
    name: 'late-stick-is-the-last-word',
    breaks: 'a bundle that lay in a drawer takes back what the box has said since',
    edits: [
      {
        file: 'hub/src/bundles/bundle-notes.ts',
        find: 'WHERE box_bundle.in_created_at IS NULL OR box_bundle.in_created_at <= excluded.in_created_at`;',
        replace: '`;',
      },
    ],
    specs: ['hub/test/bundles.spec.ts'],
  },
  {
    name: 'fork-by-bundle-takes-two-trips',
    breaks: 'a restored store without a line gets what it lost one trip of the stick later',
    edits: [
      {
        file: 'hub/src/sync/hello.ts',
        find: 'historiesLackedBy(tx, box.branchId, carried?.shared(named, held) ?? named)',
        replace: 'historiesLackedBy(tx, box.branchId, named)',
      },
    ],
    specs: ['edge/test/bundles-of-lines.spec.ts'],
  },
];

import type { Mutant } from './mutant.js';

const MONEY = 'libs/domain/src/money.ts';
const GUARD_SPEC = 'libs/access/test/guard.spec.ts';

/** Rules of arithmetic, of the chain and of who may enter: libs. */
export const RULE_MUTANTS: readonly Mutant[] = [
  {
    name: 'half-up-rounding',
    breaks: 'half a cent of a refund is rounded another way than that of the sale',
    edits: [
      {
        file: MONEY,
        find: 'if (2n * absolute(rest) < absolute(divisor)) return',
        replace: 'if (2n * absolute(rest) < absolute(divisor) + (product < 0n ? 1n : 0n)) return',
      },
    ],
    specs: ['libs/domain/src/money.spec.ts'],
  },
  {
    name: 'currencies-added',
    breaks: 'rand and pula are added up',
    edits: [{ file: MONEY, find: 'if (a.currency !== b.currency) {', replace: 'if (a.currency === undefined) {' }],
    specs: ['libs/domain/src/money.spec.ts'],
  },
  {
    name: 'tax-on-gross',
    breaks: 'an inclusive tax is taken of the amount that includes it',
    edits: [
      {
        file: 'libs/domain/src/tax.ts',
        find: 'mulDiv(discountedMinor, rateSumPpm, PPM + rateSumPpm)',
        replace: 'mulDiv(discountedMinor, rateSumPpm, PPM)',
      },
    ],
    specs: ['libs/domain/src/tax.spec.ts'],
  },
  {
    name: 'chain-without-predecessor',
    breaks: 'each line is hashed by itself: lines can be left out and reordered',
    edits: [
      {
        file: 'libs/replication/src/chain.ts',
        find: '.update(previous).update(lineBytes)',
        replace: '.update(lineBytes)',
      },
    ],
    specs: ['libs/replication/src/line.spec.ts', 'libs/replication/src/push.spec.ts'],
  },
  {
    name: 'head-not-proved',
    breaks: 'a push whose lines do not lead to its head is believed',
    edits: [
      {
        file: 'libs/replication/src/push.ts',
        find: "if (previous.toString('hex') !== header.headHash) throw",
        replace: 'if (previous.length === 0) throw',
      },
    ],
    specs: ['libs/replication/src/push.spec.ts'],
  },
  {
    name: 'packed-guessed-otherwise',
    breaks: 'a packed push of this version is another history to a hub of the last: both must guess alike',
    edits: [
      {
        file: 'libs/replication/src/packed/guesses.ts',
        find: "seq: numberOf('seq', 1)",
        replace: "seq: numberOf('seq', 2)",
      },
    ],
    specs: ['libs/replication/src/packed/packed-push.spec.ts'],
  },
  {
    name: 'packed-text-without-escapes',
    breaks: 'a quote in a product name ends the name: what is archived is not what was hashed',
    edits: [
      {
        file: 'libs/replication/src/packed/line-text.ts',
        find: 'unit === QUOTE || unit === BACKSLASH',
        replace: 'unit === BACKSLASH',
      },
    ],
    specs: ['libs/replication/src/packed/packed-push.spec.ts'],
  },
  {
    name: 'refresh-reuse-unnoticed',
    breaks: 'a refresh token that was copied is refused, and the thief keeps his own',
    edits: [
      { file: 'libs/access/src/refresh-token.ts', find: "? 'grace' : 'reuse';", replace: "? 'grace' : 'expired';" },
    ],
    specs: ['libs/access/src/tokens.spec.ts'],
  },
  {
    name: 'refresh-token-opens-doors',
    breaks: 'a token of any type is taken for an access token',
    edits: [
      { file: 'libs/access/src/jwt-strategy.ts', find: "if (typ !== 'access' || ", replace: 'if (typ === null || ' },
    ],
    specs: [GUARD_SPEC],
  },
  {
    name: 'expired-token-lives',
    breaks: 'an access token never expires',
    edits: [{ file: 'libs/access/src/jwt-strategy.ts', find: 'return nowS < exp && ', replace: 'return ' }],
    specs: [GUARD_SPEC],
  },
  {
    name: 'guard-skips-undeclared',
    breaks: 'a route that says nothing of who may enter lets everybody in',
    edits: [
      {
        file: 'libs/access/src/access.guard.ts',
        find: 'if (!access) throw',
        replace: 'if (!access) return true;\n    if (access === null) throw',
      },
    ],
    specs: [GUARD_SPEC],
  },
  {
    name: 'undeclared-route-starts',
    breaks: 'the program starts with a route that says nothing of who may enter',
    edits: [
      {
        file: 'libs/access/src/declared-routes.ts',
        find: 'if (undeclared.length === 0) return;',
        replace: 'if (undeclared.length >= 0) return;',
      },
    ],
    specs: [GUARD_SPEC],
  },
  {
    name: 'xor-for-sum',
    breaks: 'a record that is there twice is proved to be there not at all',
    edits: [
      {
        file: 'libs/replication/src/feed-sums.ts',
        find: 'at.sum = (((at.sum + sum) % TWO_TO_128) + TWO_TO_128) % TWO_TO_128;',
        replace: 'at.sum = at.sum ^ (((sum % TWO_TO_128) + TWO_TO_128) % TWO_TO_128);',
      },
    ],
    specs: ['libs/replication/src/feed-sums.spec.ts'],
  },
];

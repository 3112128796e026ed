import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as box from './box-protocol.js';
import { bundleHeaderSchema } from './bundle.js';
import { recordLabelSchema } from './bundle-records.js';
import * as bundleWants from './bundle-wants.js';
import { canonicalJson } from './canonical-json.js';
import { FEED_KINDS, feedPageSchema } from './feed.js';
import { JOURNAL_KINDS } from './kinds/registry.js';
import { CONTRACT } from './contracts.js';
import { lineSchema } from './line.js';
import * as personKeys from './person-keys.js';
import { PROTOCOL } from './protocol.js';
import { pushAnswerSchema, pushHeaderSchema } from './push.js';
import { snapshotFactsSchema } from './snapshot.js';
import * as verify from './verify-protocol.js';

/**
 * What boxes in the field speak. A hash that differs means that the wire changed: give the set a new number, keep what
 * reads the old one, add a dated line to HISTORY, and only then change the hash.
 */
const HISTORY = [
  {
    date: '2026-11-21',
    contract: 1,
    protocol: 1,
    journal: '74e7af34eb8bd0e2',
    feed: '8d6822da6b8c00be',
    wire: 'a88ba10664625f2e',
  },
  {
    date: '2026-11-22',
    contract: 1,
    protocol: 1,
    journal: '74e7af34eb8bd0e2',
    feed: 'a768e337bc40d7d2',
    wire: '4797f658068d926b',
  },
];

/** What a room exports that is a schema. */
const schemasOf = (room: Record<string, unknown>): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(room).filter((entry): entry is [string, z.ZodType] => entry[1] instanceof z.ZodType),
  );

const hashOf = (schemas: Record<string, z.ZodType>): string => {
  const shapes = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, z.toJSONSchema(schema)]));
  return createHash('sha256').update(canonicalJson(shapes)).digest('hex').slice(0, 16);
};

describe('the contract with boxes in the field', () => {
  it('changes only on purpose', () => {
    const newest = HISTORY.at(-1);
    expect({
      contract: CONTRACT,
      protocol: PROTOCOL,
      journal: hashOf({ line: lineSchema, ...JOURNAL_KINDS }),
      feed: hashOf({ page: feedPageSchema, ...FEED_KINDS }),
      wire: hashOf({
        ...{ pushHeaderSchema, pushAnswerSchema, snapshotFactsSchema, bundleHeaderSchema, recordLabelSchema },
        ...schemasOf(box),
        ...schemasOf(verify),
        ...schemasOf(personKeys),
        ...schemasOf(bundleWants),
      }),
    }).toEqual({
      contract: newest?.contract,
      protocol: newest?.protocol,
      journal: newest?.journal,
      feed: newest?.feed,
      wire: newest?.wire,
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@branchline/fleet/testing/database.js';
import pg from 'pg';
import { bools, byteas, int8s, texts, uuids } from '../src/database/columns.js';

describe('columns sent in binary', () => {
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  /** What PostgreSQL understood, as text. */
  async function understood(type: string, column: Buffer): Promise<(string | null)[]> {
    const { rows } = await client.query<{ value: string | null }>(
      `SELECT value::text FROM unnest($1::${type}[]) WITH ORDINALITY AS r (value, place) ORDER BY place`,
      [column],
    );
    return rows.map(({ value }) => value);
  }

  it('are whole numbers as far as they are safe, of either sign', async () => {
    const values = [0, -0, 1, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53) + 1];
    expect(await understood('int8', int8s(values))).toEqual(values.map((value) => BigInt(value).toString()));
  });

  it('are ids, the same one again, and none', async () => {
    const [a, b] = ['0193e2a0-0000-7000-8000-00000000000a', '0193e2a0-ffff-7fff-bfff-fffffffffffb'];
    const values = [a, a, b, null, b, a];
    expect(await understood('uuid', uuids(values))).toEqual(values);
  });

  it('refuse what is no id', () => {
    expect(() => uuids(['0193e2a0-0000-7000-8000-00000000000g'])).toThrow('is not a UUID');
  });

  it('are texts of any script, empty ones, and none', async () => {
    const values = ['MILK-1L', '', null, 'Brötchen', '牛乳', '\u{1f95b}', undefined, 'x'.repeat(70_000)];
    expect(await understood('text', texts(values))).toEqual(values.map((value) => value ?? null));
  });

  it('are truths', async () => {
    expect(await understood('bool', bools([true, false, true]))).toEqual(['true', 'false', 'true']);
  });

  it('are bytes that are no text, and none at all', async () => {
    const values = [Buffer.from([0, 255, 10]), Buffer.alloc(0), Buffer.from('{}')];
    expect(await understood('bytea', byteas(values))).toEqual(values.map((value) => `\\x${value.toString('hex')}`));
  });

  it('may be empty', async () => {
    expect(await understood('int8', int8s([]))).toEqual([]);
  });
});

import type { Grant } from '@branchline/access/roles.js';
import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { grantShower } from './grants.js';

type Row = { id: string; email: string; name: string; grants: Grant[]; active: boolean };

export async function listPeople(tx: Tx, { limit, after }: { limit: number; after?: string }): Promise<Page<Row>> {
  const [afterEmail] = after === undefined ? [''] : decodeCursor(z.tuple([text(254)]), after);
  const rows = await tx.query<Row>(
    'SELECT id, email, name, grants, active FROM person WHERE email > $1 ORDER BY email LIMIT $2',
    [afterEmail, limit + 1],
  );
  const show = await grantShower(
    tx,
    rows.map((row) => row.grants),
  );
  return pageOf(
    rows,
    limit,
    (row) => [row.email],
    (row) => ({ ...row, grants: show(row.grants) }),
  );
}

import { problem } from '@branchline/http/problem.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';
import { archivedReading } from '../sync/archived-reading.js';
import type { LineOfKind } from '../sync/read-line.js';
import { lockConflict, type Conflict } from './conflict.js';
import type { ConflictEffect, Decision, Effect } from './conflict-effect.js';
import type { LineRef } from './record-conflict.js';

const SETTLED: Effect = { state: 'settled' };
const SETTLING: Effect = { state: 'settling' };

/** A fact of which two contents are told: the first stands, and the other is noted as decided. Nothing takes back a Z or a seal. */
export const FACT_EFFECT: ConflictEffect = {
  strategies: () => ['keep_hub'],
  takesMerged: false,
  async apply(tx, conflict) {
    await settleSecond(tx, conflict, 'the first stands');
    return SETTLED;
  },
};

/**
 * Sales. The branch writes what follows from a decision, since facts are the branch's to write; here nothing is changed.
 * - `data_mismatch`: keep_hub, the first content stands, and a store that holds the other one is told to take it back;
 *   keep_branch, the first is taken back and the second recorded anew.
 * - `duplicate`: keep_hub, both stand; merge, they were one, and the second is taken back; keep_branch, the first is.
 * - `constraint_violation` (one number printed twice): both stand as they are; no printed document is renumbered.
 * Contents of facts are never mixed: nobody has sold the mixture.
 */
export const SALE_EFFECT: ConflictEffect = {
  strategies: ({ type }) => {
    if (type === 'data_mismatch') return ['keep_hub', 'keep_branch'];
    return type === 'duplicate' ? ['keep_hub', 'keep_branch', 'merge'] : ['keep_hub'];
  },
  takesMerged: false,
  async apply(tx, conflict, decision) {
    if (conflict.type === 'constraint_violation') return SETTLED;
    if (conflict.type === 'duplicate') return decideDuplicate(tx, conflict, decision);
    return decideMismatch(tx, conflict, decision);
  },
};

async function decideDuplicate(tx: Tx, conflict: Conflict, { strategy }: Decision): Promise<Effect> {
  if (strategy === 'keep_hub') return SETTLED;
  const taken = await archivedSale(tx, conflict, strategy === 'merge' ? conflict.second : conflict.first);
  await assertStands(tx, conflict, taken);
  await order(tx, conflict, { taken, replacement: null, ifDiffers: false });
  return SETTLING;
}

async function decideMismatch(tx: Tx, conflict: Conflict, { strategy }: Decision): Promise<Effect> {
  const first = await archivedSale(tx, conflict, conflict.first);
  if (strategy === 'keep_hub') {
    await settleSecond(tx, conflict, 'rejected: the first content stands');
    await order(tx, conflict, { taken: first, replacement: first, ifDiffers: true });
    return SETTLED;
  }
  await assertStands(tx, conflict, first);
  await settleSecond(tx, conflict, 'its content was recorded anew, and the first taken back');
  const second = await archivedSale(tx, conflict, conflict.second);
  await order(tx, conflict, { taken: first, replacement: second, ifDiffers: false });
  return SETTLING;
}

/**
 * The sale that was to be taken back was replaced by another decision: what stands in its place is taken back instead.
 * Where the archive does not give it, the conflict goes on waiting.
 */
export async function orderInstead(tx: Tx, id: string, replacement: string): Promise<void> {
  const conflict = await lockConflict(tx, id);
  const [ref] = await tx.query<LineRef>('SELECT incarnation, seq FROM sale WHERE branch_id = $1 AND id = $2', [
    conflict.branchId,
    replacement,
  ]);
  const taken = await readSale(tx, conflict, ref ?? null);
  const instead = conflict.type === 'data_mismatch' ? await readSale(tx, conflict, conflict.second) : null;
  if (taken === null || (instead === null && conflict.type === 'data_mismatch')) return;
  await order(tx, conflict, { taken, replacement: instead, ifDiffers: false });
}

type ArchivedSale = Pick<LineOfKind<'sale'>, 'contentHash' | 'body'>;

/** As the box signed it. @throws Problem `not-decidable` where the line cannot be read */
async function archivedSale(tx: Tx, conflict: Conflict, ref: LineRef | null): Promise<ArchivedSale> {
  const sale = await readSale(tx, conflict, ref);
  if (sale === null) throw problem('not-decidable', 'The archived line of the sale cannot be read at this moment.');
  return sale;
}

async function readSale(tx: Tx, { branchId }: Conflict, ref: LineRef | null): Promise<ArchivedSale | null> {
  const ready = ref && (await archivedReading(tx, branchId, ref));
  return ready?.kind === 'sale' ? ready : null;
}

/** A sale is taken back once. @throws Problem `not-decidable` */
async function assertStands(tx: Tx, { branchId }: Conflict, { body }: ArchivedSale): Promise<void> {
  const [reversed] = await tx.query('SELECT FROM sale_reversal WHERE branch_id = $1 AND sale_id = $2', [
    branchId,
    body.id,
  ]);
  if (reversed) throw problem('not-decidable', 'The sale has been taken back already.');
  const [ordered] = await tx.query(
    `SELECT FROM conflict WHERE branch_id = $1 AND state = 'settling' AND taken_back = $2`,
    [branchId, body.id],
  );
  if (ordered) throw problem('not-decidable', 'The branch has been told already to take the sale back.');
}

type Order = { taken: ArchivedSale; replacement: ArchivedSale | null; ifDiffers: boolean };

async function order(tx: Tx, conflict: Conflict, { taken, replacement, ifDiffers }: Order): Promise<void> {
  const { id, branchId } = conflict;
  if (!ifDiffers) await tx.execute('UPDATE conflict SET taken_back = $2 WHERE id = $1', [id, taken.body.id]);
  const told = (sale: ArchivedSale) => ({ contentHash: sale.contentHash, body: withoutPlace(sale.body) });
  const body = {
    conflict: id,
    sale: taken.body.id,
    ...told(taken),
    replacement: replacement && told(replacement),
    ifDiffers,
  };
  await publish(tx, { scope: branchScope(branchId), kind: 'correction', key: id, body });
}

/** Where somebody stood when it was sold is nothing that a correction needs. */
function withoutPlace({ location: _where, ...body }: SaleBody): SaleBody {
  return body;
}

/** What was set aside waits for nothing any more: it was decided that it is no fact. */
export async function settleSecond(tx: Tx, { branchId, second }: Conflict, note: string): Promise<void> {
  if (second === null) return;
  await tx.execute(
    `UPDATE quarantine SET state = 'settled', note = $4 WHERE branch_id = $1 AND incarnation = $2 AND seq = $3 AND state = 'open'`,
    [branchId, second.incarnation, second.seq, note],
  );
}

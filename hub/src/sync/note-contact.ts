import type { HelloRequest } from '@branchline/replication/box-protocol.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';

/** `instances`: of the processes that said hello for this box, the last one first. */
type Told = { incarnation?: string; seq?: number; instances?: string[] };

/** A box that starts anew is another process, too; what never comes back after one is no sign of two. */
const INSTANCES_KEPT = 4;

/**
 * That the box was heard, and what it said of itself. Not in the way of a push, and a push not in its way: the box's row
 * is locked by nobody for longer than this.
 *
 * One key at two places is told by their hellos: processes that say it in turn live at the same time.
 */
export async function noteContact(
  tx: Tx,
  { boxId, branchId }: PrincipalOf<'box'>,
  request: HelloRequest,
  at: { nowMs: number; newId: NewId },
): Promise<void> {
  const version = request.version.toWellFormed().replaceAll('\0', '');
  const [row] = await tx.query<{ told: Told | null }>('SELECT told FROM box WHERE id = $1 FOR NO KEY UPDATE', [boxId]);
  const known = row?.told?.instances ?? [];
  const { instance } = request;
  const instances =
    instance === undefined ? known : [instance, ...known.filter((each) => each !== instance)].slice(0, INSTANCES_KEPT);
  const newest = request.incarnations.at(-1);
  const told: Told = { ...(newest && { incarnation: newest.incarnation, seq: newest.seq }), instances };
  await tx.execute(
    'UPDATE box SET last_contact_at = to_timestamp($2::bigint / 1000.0), version = $3, contract = $4, told = $5 WHERE id = $1',
    [boxId, at.nowMs, version, Math.min(request.contract, 2_147_483_647), JSON.stringify(told)],
  );
  if (instance === undefined || known.indexOf(instance) < 1) return;
  const detail = `box ${boxId} runs at two places with one key: a copy of it is alive. Revoke it and enrol a new box at one of them.`;
  await raiseIncident(tx, { branchId, code: 'box-at-two-places', key: boxId, detail }, at);
}

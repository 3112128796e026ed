import type { Database, Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { publishWorkLists } from '../worklists/publish-work-lists.js';
import { recordDisputes } from '../worklists/record-conflict.js';
import type { KeyParts } from './key-decision.js';

/** Of the kind of a conflict; its key is the person. */
export const PERSON_KEY = 'person-key';

/** Of one branch at once. */
const TOLD_AT_ONCE_MAX = 100;

type Dispute = { person: string; madeBy: string | null; isHere: boolean };

/**
 * Two keys were offered of one person: what was sealed with the other one nobody can open, until people have decided. A
 * conflict of each branch whose key is held, in a transaction of its own: who took the key in, or the line that showed whose
 * the person is, may hold another branch.
 */
export async function tellKeyDisputes(database: Database, tenantId: string, parts: KeyParts): Promise<void> {
  const branches = await database.transaction(tenantId, (tx) => tx.query<{ id: string }>(BRANCHES));
  for (const { id } of branches) await database.transaction(tenantId, (tx) => tellOfBranch(tx, id, parts));
}

async function tellOfBranch(tx: Tx, branchId: string, at: KeyParts): Promise<void> {
  // One that never pushed has no such lock.
  await tx.query('SELECT FROM branch_stream WHERE branch_id = $1 FOR NO KEY UPDATE', [branchId]);
  const disputes = await tx.query<Dispute>(DISPUTES, [branchId]);
  const [first] = disputes;
  if (first === undefined) return;
  const conflicts = disputes.map(({ person, madeBy, isHere }) => ({
    ...{ type: 'constraint_violation' as const, kind: PERSON_KEY, key: person, first: null, second: null },
    ...{ hub: { madeBy, keyIsHere: isHere }, branch: {} },
    suggested: 'keep_hub' as const,
    reason:
      'This branch offered another key for a customer than the one that was first told to have made the customer. Of a person there is one key: whose it is, people who know both stores can say.',
  }));
  const recorded = await recordDisputes(tx, branchId, conflicts, at);
  if (recorded === 0) return;
  const detail = `${disputes.length} keys were offered of persons who have another or whom another branch made, the first of ${first.person}: they are held, and not used`;
  await raiseIncident(tx, { branchId, code: 'person-key-disputed', key: branchId, detail }, at);
  await publishWorkLists(tx, branchId, at.nowMs);
}

/** An offer that is still here beside a key, or of somebody whom another made, was not settled. */
const UNTOLD = `
FROM person_key_offer o
JOIN customer c ON c.tenant_id = o.tenant_id AND c.id = o.person
LEFT JOIN person_key k ON k.tenant_id = o.tenant_id AND k.person = o.person
WHERE (c.made_by <> o.branch_id OR k.wrapped IS NOT NULL)
  AND NOT EXISTS (SELECT FROM conflict f WHERE f.branch_id = o.branch_id AND f.kind = '${PERSON_KEY}' AND f.key = o.person::text AND f.state = 'open')`;

const BRANCHES = `SELECT DISTINCT o.branch_id AS id ${UNTOLD} ORDER BY 1`;

const DISPUTES = `
SELECT o.person, (SELECT b.code FROM branch b WHERE b.id = c.made_by) AS "madeBy", k.wrapped IS NOT NULL AS "isHere"
${UNTOLD} AND o.branch_id = $1 ORDER BY o.person LIMIT ${TOLD_AT_ONCE_MAX}`;

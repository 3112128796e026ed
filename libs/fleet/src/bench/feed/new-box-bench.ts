import { setTimeout as pause } from 'node:timers/promises';
import { type Bench, type BenchContext, type BenchRow, benchRow } from '../bench.js';
import { addBranch, type FeedChain, inDatabase, inFeedChain, productsCsv, REGION } from './feed-chain.js';
import { SellingTill } from './selling-till.js';

const NEW_BOX_PRODUCTS = 50_000;
const NEW_BOX_CUSTOMERS = 100_000;

/** B-9: a new store's box, from its code to its first sale. */
export const newBoxBench: Bench = (context) => inFeedChain(context, (chain) => newBoxes(context, chain));

/** From the start of its process, code in hand, until a till has its first sale; products, prices and customers are there. */
async function newBoxes(context: BenchContext, feed: FeedChain): Promise<BenchRow[]> {
  const { chain, headOffice, database } = feed;
  const { signal, note } = context;
  note(`setting up ${NEW_BOX_PRODUCTS} products and ${NEW_BOX_CUSTOMERS} customers`);
  await headOffice.importProducts(productsCsv(NEW_BOX_PRODUCTS, 1_000));
  await addCustomers(database.url);
  const seconds: number[] = [];
  for (let at = 0; at < context.rounds; at += 1) {
    const branch = `N${at}`;
    await addBranch(headOffice, branch);
    const tillCode = await headOffice.enrolmentCode(branch, { for: 'device', till: 'T1' });
    const enrolmentCode = await headOffice.enrolmentCode(branch, { for: 'box' });
    const startedMs = performance.now();
    const edge = await chain.startEdge({ branch, enrolmentCode });
    (await SellingTill.open(edge.url, tillCode, 'P1', signal)).close();
    seconds.push((performance.now() - startedMs) / 1_000);
    note(`box ${at + 1}: ${seconds.at(-1)?.toFixed(2)} s`);
    await chain.stopEdge(edge);
  }
  const [first = 0, ...others] = seconds;
  const goal = { of: 'value', atMost: 10 } as const;
  const what = `new box to its first sale, ${NEW_BOX_PRODUCTS} products, ${NEW_BOX_CUSTOMERS} customers`;
  return [
    benchRow({ what: `${what}: the first, for which snapshots are made`, unit: 's', samples: [first], goal }),
    benchRow({ what: `${what}: those after it`, unit: 's', samples: others, goal }),
  ];
}

/** Records as the hub publishes them, of people who gave no name: a name's key travels outside the feed. */
async function addCustomers(url: string): Promise<void> {
  await inDatabase(url, async (client) => {
    await client.query(
      `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body)
       SELECT t.tenant_id, $1, 'customer', id, 1, false, jsonb_build_object('id', id, 'judged', '{}'::jsonb, 'fields', jsonb_build_object(
         'language', jsonb_build_object('value', 'en', 'edits', jsonb_build_array(gen_random_uuid()), 'hlc', '019000000000-0000')))
         FROM tenant t, generate_series(1, $2::int), LATERAL (SELECT gen_random_uuid()::text AS id) made`,
      [`region:${REGION}`, NEW_BOX_CUSTOMERS],
    );
    for (;;) {
      const { rows } = await client.query<{ left: string }>('SELECT count(*) AS left FROM outbox');
      if (Number(rows[0]?.left) === 0) return;
      await pause(200);
    }
  });
}

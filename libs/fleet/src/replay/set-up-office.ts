import { Readable } from 'node:stream';
import type { HubClient } from '../chain/hub-client.js';
import { STORE_TIME_ZONE } from '../complete-journey/read-sales.js';
import { importCsv, journeyRows } from './import-csv.js';
import type { ReplayInput } from './replay-input.js';
import { branchOf } from './run-replay.js';

export const TENANT = {
  code: 'JOURNEY',
  name: 'Complete Journey',
  currency: 'USD',
  adminEmail: 'office@journey.example',
};
const REGION = { code: 'ALL', name: 'All stores' };
const ZONE = { code: 'ALL', name: 'One price zone', currency: TENANT.currency, timeZone: STORE_TIME_ZONE };

/** Head office as it is before the first store opens: products, and for each store an assortment and a branch. */
export async function setUpOffice(
  headOffice: HubClient,
  input: ReplayInput,
  tell: (line: string) => void,
): Promise<void> {
  await headOffice.create('regions', REGION);
  await headOffice.create('price-zones', ZONE);
  for (const { id } of input.stores) {
    await headOffice.create('assortments', { code: branchOf(id), name: `Sold by store ${id}` });
  }
  tell(`importing ${input.productCount} products`);
  const csv = Readable.from(importCsv(journeyRows(input.products(), branchOf)));
  const { bad, created } = await headOffice.importProducts(csv);
  if (bad.length > 0) throw new Error(`the hub refuses a product, line ${bad[0]?.line}: ${bad[0]?.reason}`);
  tell(`${created} products are at the hub`);
  for (const { id } of input.stores) {
    await headOffice.create('branches', {
      code: branchOf(id),
      name: `Store ${id}`,
      region: REGION.code,
      priceZone: ZONE.code,
      assortment: branchOf(id),
      timeZone: STORE_TIME_ZONE,
      currency: TENANT.currency,
      cutOff: '00:00',
      taxRounding: 'line',
    });
  }
}

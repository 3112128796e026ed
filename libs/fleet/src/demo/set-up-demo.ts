import type { HubClient } from '../chain/hub-client.js';
import {
  DEMO_ASSORTMENT,
  DEMO_STAFF,
  DEMO_TAX_CLASSES,
  DEMO_TENANT,
  DEMO_TILLS,
  DEMO_ZONES,
  type DemoBranch,
  demoBranches,
  demoCatalogueCsv,
  demoRegions,
} from './demo-chain.js';

export interface PreparedBranch extends DemoBranch {
  boxCode: string;
  tills: { till: string; deviceCode: string }[];
  operators: { operator: string; name: string; role: string; pin: string }[];
}

/** Everything head office does before the first store opens. @returns what each store needs to open */
export async function setUpHeadOffice(
  headOffice: HubClient,
  branchCount: number,
  newPin: () => string,
): Promise<PreparedBranch[]> {
  for (const region of demoRegions(branchCount)) await headOffice.create('regions', region);
  for (const zone of DEMO_ZONES) await headOffice.create('price-zones', { ...zone, currency: DEMO_TENANT.currency });
  for (const taxClass of DEMO_TAX_CLASSES) await headOffice.create('tax-classes', taxClass);
  await headOffice.create('assortments', DEMO_ASSORTMENT);
  const { bad } = await headOffice.importProducts(demoCatalogueCsv());
  if (bad.length > 0) throw new Error(`the demo catalogue, line ${bad[0]?.line}: ${bad[0]?.reason}`);
  const prepared: PreparedBranch[] = [];
  for (const branch of demoBranches(branchCount)) prepared.push(await openBranch(headOffice, branch, newPin));
  return prepared;
}

async function openBranch(headOffice: HubClient, branch: DemoBranch, newPin: () => string): Promise<PreparedBranch> {
  const { code } = branch;
  await headOffice.create('branches', {
    ...branch,
    assortment: DEMO_ASSORTMENT.code,
    currency: DEMO_TENANT.currency,
    cutOff: '00:00',
    taxRounding: 'line',
    defaultTaxClass: 'GST',
  });
  const operators = DEMO_STAFF.map((person) => ({ ...person, pin: newPin() }));
  for (const person of operators) await headOffice.addStaff(code, person);
  const boxCode = await headOffice.enrolmentCode(code, { for: 'box' });
  const tills: PreparedBranch['tills'] = [];
  for (const { till } of DEMO_TILLS)
    tills.push({ till, deviceCode: await headOffice.enrolmentCode(code, { for: 'device', till }) });
  return { ...branch, boxCode, tills, operators };
}

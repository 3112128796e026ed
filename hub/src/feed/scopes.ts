/** What a branch is told by: `tenant`, its region, price zone, assortment, and itself. */
export type BranchPlace = { id: string; region: string; priceZone: string; assortment: string };

export const TENANT_SCOPE = 'tenant';

export function scopesOfBranch({ id, region, priceZone, assortment }: BranchPlace): string[] {
  return [TENANT_SCOPE, regionScope(region), zoneScope(priceZone), assortmentScope(assortment), branchScope(id)];
}

export const regionScope = (code: string): string => `region:${code}`;
export const zoneScope = (code: string): string => `zone:${code}`;
export const assortmentScope = (code: string): string => `assortment:${code}`;
export const branchScope = (id: string): string => `branch:${id}`;

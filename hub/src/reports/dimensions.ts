import { problem } from '@branchline/http/problem.js';

export const DIMENSIONS = [
  'branch',
  'region',
  'businessDate',
  'hour',
  'product',
  'category',
  'tender',
  'operator',
  'modifierKind',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Every rollup is kept by branch and business date; a region is a property of the branch. */
const EVERYWHERE: readonly Dimension[] = ['branch', 'region', 'businessDate'];

export type Measures = 'sales' | 'tenders' | 'modifiers';

/** A named rollup and what may be asked of it beside branch, region and business date. */
export type Cube = {
  table: string;
  members: readonly Dimension[];
  measures: Measures;
  /** Whether a sale counts in exactly one row, so that baskets may be added up. */
  hasBaskets: boolean;
};

/** Which rollup answers which dimensions: the first that has them all. */
export const CUBES: readonly Cube[] = [
  { table: 'sales_by_hour', members: ['hour'], measures: 'sales', hasBaskets: true },
  { table: 'sales_by_operator', members: ['operator'], measures: 'sales', hasBaskets: true },
  { table: 'sales_by_product', members: ['product', 'category'], measures: 'sales', hasBaskets: false },
  { table: 'sales_by_tender', members: ['tender'], measures: 'tenders', hasBaskets: false },
  { table: 'sales_by_modifier', members: ['modifierKind'], measures: 'modifiers', hasBaskets: false },
];

/** @throws Problem `dimensions-not-combinable` */
export function cubeOf(dimensions: readonly Dimension[]): Cube {
  const special = dimensions.filter((dimension) => !EVERYWHERE.includes(dimension));
  const cube = CUBES.find(({ members }) => special.every((dimension) => members.includes(dimension)));
  if (!cube) throw problem('dimensions-not-combinable', `${special.join(' and ')} cannot be combined. ${COMBINABLE}`);
  return cube;
}

/** For people and for OpenAPI. */
export const COMBINABLE = `Any of ${EVERYWHERE.join(', ')}, together with at most one of: ${CUBES.map(({ members }) => members.join(' and/or ')).join('; ')}.`;

/** The column behind a dimension. `r` is the rollup, `b` the branch, `p` the product as the catalogue has it now. */
export const DIMENSION_SQL: Readonly<Record<Dimension, string>> = {
  branch: 'b.code',
  region: 'b.region',
  businessDate: 'r.business_date',
  hour: 'r.hour',
  product: 'r.product',
  category: 'p.category',
  tender: 'r.tender',
  operator: 'r.operator',
  modifierKind: 'r.kind',
};

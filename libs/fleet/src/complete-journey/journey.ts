/** Amounts in cents, each rounded half up on its own. */
export interface BasketLine {
  product: string;
  quantityMilli: number;
  netMinor: number;
  retailDiscMinor: number;
  couponDiscMinor: number;
  couponMatchMinor: number;
}

export interface Basket {
  store: string;
  household: string;
  basket: string;
  occurredAtMs: number;
  /** Of the file; baskets of one moment stay in this order. */
  line: number;
  lines: BasketLine[];
}

export interface JourneyProduct {
  id: string;
  /** From the finest thing known about it: type, category or department, and the package size. */
  name: string;
  /** The product category, where there is one. */
  category: string | null;
  department: string | null;
  brand: string | null;
}

/** Provided by whoever speaks with the hub; without it the edge's own clock is all there is. */
export const HUB_CLOCK = Symbol('hub-clock');

export interface HubClock {
  /** Hub's clock minus ours; null: not known since the start. */
  hubOffsetMs(): number | null;
}

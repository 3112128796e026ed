/** `before`: the edge never sees the request; `after`: it has replied, and the reply is lost. */
export type KillMoment = 'before' | 'after';

/** By positions in a store's baskets, from 0: away from `from` up to and without `to`, killed at `killAt`. */
export interface OutagePlan {
  from: number;
  to: number;
  killAt: number;
  moment: KillMoment;
}

/** Below it there is no middle third: the outage spans everything and the kill hits the first basket. */
const BASKETS_MIN = 3;

/** The hub is away for the middle third of a store's baskets. @param position of the store in the replay: the moments alternate. */
export function planOutage(basketCount: number, position: number): OutagePlan {
  const moment = position % 2 === 0 ? 'before' : 'after';
  if (basketCount < BASKETS_MIN) return { from: 0, to: basketCount, killAt: 0, moment };
  const from = Math.floor(basketCount / 3);
  const to = Math.floor((basketCount * 2) / 3);
  return { from, to, killAt: Math.floor((from + to) / 2), moment };
}

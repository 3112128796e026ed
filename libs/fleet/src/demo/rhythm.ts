import { DateTime } from 'luxon';

/** The wall clock of a store. */
export interface LocalTime {
  /** 1 Monday to 7 Sunday. */
  weekday: number;
  minuteOfDay: number;
}

/** How busy a store is at each full hour, from midnight; 1: as busy as it gets on a working day. In between it changes evenly. */
const BUSY_AT_HOUR = [
  0.04, 0.03, 0.02, 0.02, 0.03, 0.08, 0.25, 0.45, 0.5, 0.5, 0.55, 0.75, 1, 0.85, 0.6, 0.65, 0.85, 1, 0.95, 0.65, 0.4,
  0.25, 0.12, 0.07,
];
const BUSY_ON_WEEKDAY = [0.9, 0.9, 0.95, 1, 1.1, 1.3, 0.85];

/** From one customer at a till to the next, on average, when it is as busy as it gets. */
const PAUSE_MS_BUSIEST = 2_500;
const PAUSE_MS_MIN = 400;

export function localTime(instantMs: number, timeZone: string): LocalTime {
  const wall = DateTime.fromMillis(instantMs, { zone: timeZone });
  return { weekday: wall.weekday, minuteOfDay: wall.hour * 60 + wall.minute };
}

/** `19:05`. */
export function clockFace({ minuteOfDay }: LocalTime): string {
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}`;
}

/** Part of the busiest hour of a working day; above 1 on a Saturday. */
export function busyness({ weekday, minuteOfDay }: LocalTime): number {
  const hour = Math.floor(minuteOfDay / 60) % 24;
  const from = BUSY_AT_HOUR[hour] ?? 0;
  const to = BUSY_AT_HOUR[(hour + 1) % 24] ?? 0;
  const now = from + (to - from) * ((minuteOfDay % 60) / 60);
  return now * (BUSY_ON_WEEKDAY[weekday - 1] ?? 1);
}

/**
 * Until the next customer comes to a till. They come independently of each other, as people do, but never later than `pauseMsMax`:
 * a visitor who looks at night is to see something, too.
 */
export function pauseMs(local: LocalTime, chance: number, pauseMsMax: number): number {
  const meanMs = PAUSE_MS_BUSIEST / busyness(local);
  return Math.round(Math.min(Math.max(-Math.log(1 - chance) * meanMs, PAUSE_MS_MIN), pauseMsMax));
}

import { IANAZone } from 'luxon';
import { DomainError } from './errors.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** 9999-12-30T23:59:59.999Z: after it the date of some zone is not `YYYY-MM-DD` any more. */
export const INSTANT_MS_MAX = 253_402_214_399_999;
/** No clock was ever set back by more in one step while trading; a day repeated at the date line is not a set-back clock. */
const SET_BACK_MS_MAX = 3 * HOUR_MS;

const ZONES_MAX = 64;
const HOURS_PER_ZONE_MAX = 20_000;

/*
 * Offsets by hour of the instant. Asking ICU costs microseconds and is asked several times a sale; a store trades in few
 * distinct hours. An hour in which the offset changes is marked `null` and always asked exactly (Lord Howe changes at
 * half past). Both levels are emptied when full: refilling is cheap, growing without end is not.
 */
type ZoneOffsets = { zone: IANAZone; offsetMsByHour: Map<number, number | null> };
const zones = new Map<string, ZoneOffsets>();

/**
 * The accounting day `YYYY-MM-DD` of an instant (epoch ms): the local date, where the day begins at the cut-off (minutes
 * after midnight on the wall clock, 0 to 1439). When the clock is set back over the cut-off the day that has begun stays:
 * business dates never run backwards. Throws `time-zone`, `instant`, `cut-off`. Source: domain.md, business date.
 */
export function businessDate(instantMs: number, timeZone: string, cutOffMinutes: number): string {
  if (!Number.isInteger(cutOffMinutes) || cutOffMinutes < 0 || cutOffMinutes >= 24 * 60) {
    throw new DomainError('cut-off', `a day cannot begin ${cutOffMinutes} minutes after midnight`);
  }
  const zone = zoneOffsets(timeZone);
  const cutOffMs = cutOffMinutes * MINUTE_MS;
  const offset = offsetMs(zone, checkedInstantMs(instantMs));
  const day = Math.floor((instantMs + offset - cutOffMs) / DAY_MS);

  const offsetBefore = offsetMs(zone, instantMs - SET_BACK_MS_MAX);
  if (offsetBefore > offset) {
    const nextBeganMs = (day + 1) * DAY_MS + cutOffMs - offsetBefore;
    if (nextBeganMs <= instantMs && offsetMs(zone, nextBeganMs) === offsetBefore) return isoDate((day + 1) * DAY_MS);
  }
  return isoDate(day * DAY_MS);
}

/** The hour 0 to 23 on the wall clock of `timeZone` at an instant (epoch ms). Throws `time-zone`, `instant`. */
export function localHour(instantMs: number, timeZone: string): number {
  const wallMs = checkedInstantMs(instantMs) + offsetMs(zoneOffsets(timeZone), instantMs);
  return Math.floor((wallMs - Math.floor(wallMs / DAY_MS) * DAY_MS) / HOUR_MS);
}

/**
 * The instant (epoch ms) of a wall-clock time `YYYY-MM-DD HH:mm:ss`; null when it cannot be read or is before 1970. In a
 * gap (clock set forward) the later of the two readings, when ambiguous (set back) the earlier one. Throws `time-zone`.
 */
export function localToInstantMs(local: string, timeZone: string): number | null {
  const zone = zoneOffsets(timeZone);
  const match = /^(\d{4}-\d{2}-\d{2}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/.exec(local);
  if (match === null || !isBusinessDate(match[1] as string)) return null;
  const wallMs = Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);

  // No zone is further than a day from UTC, so these are the offsets in force before and after any change nearby.
  const readings = [wallMs - DAY_MS, wallMs + DAY_MS].map((nearMs) => wallMs - offsetMs(zone, nearMs));
  const real = readings.filter((instantMs) => instantMs + offsetMs(zone, instantMs) === wallMs);
  const instantMs = real.length > 0 ? Math.min(...real) : Math.max(...readings);
  return instantMs >= 0 && instantMs <= INSTANT_MS_MAX ? instantMs : null;
}

/** Epoch ms of an ISO 8601 instant, drawn into the time that has business dates: a device may believe in any year. */
export function instantMsOf(iso: string): number {
  return Math.min(Math.max(0, Date.parse(iso)), INSTANT_MS_MAX);
}

/** Whether `text` is a date of the calendar, written `YYYY-MM-DD`. */
export function isBusinessDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const instantMs = Date.parse(`${text}T00:00:00Z`);
  // Some parsers roll 30 February over to March: only what comes back unchanged is a date.
  return !Number.isNaN(instantMs) && isoDate(instantMs) === text;
}

function isoDate(dayMs: number): string {
  return new Date(dayMs).toISOString().slice(0, 10);
}

function checkedInstantMs(instantMs: number): number {
  if (!Number.isInteger(instantMs) || instantMs < 0 || instantMs > INSTANT_MS_MAX) {
    throw new DomainError('instant', `${instantMs} is not a time between 1970 and 9999`);
  }
  return instantMs;
}

function zoneOffsets(timeZone: string): ZoneOffsets {
  const known = zones.get(timeZone);
  if (known !== undefined) return known;
  const zone = IANAZone.create(timeZone);
  if (!zone.isValid) throw new DomainError('time-zone', `"${timeZone}" is not a time zone`);
  if (zones.size >= ZONES_MAX) zones.clear();
  const fresh: ZoneOffsets = { zone, offsetMsByHour: new Map() };
  zones.set(timeZone, fresh);
  return fresh;
}

function offsetMs({ zone, offsetMsByHour }: ZoneOffsets, instantMs: number): number {
  const hour = Math.floor(instantMs / HOUR_MS);
  let offset = offsetMsByHour.get(hour);
  if (offset === undefined) {
    const first = zone.offset(hour * HOUR_MS);
    offset = first === zone.offset((hour + 1) * HOUR_MS - 1) ? first * MINUTE_MS : null;
    if (offsetMsByHour.size >= HOURS_PER_ZONE_MAX) offsetMsByHour.clear();
    offsetMsByHour.set(hour, offset);
  }
  return offset ?? zone.offset(instantMs) * MINUTE_MS;
}

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DateTime } from 'luxon';
import { businessDate, instantMsOf, isBusinessDate, localHour, localToInstantMs } from './business-date.js';

const NEW_YORK = 'America/New_York';
const ZONES = [
  'Africa/Johannesburg',
  NEW_YORK,
  'Europe/London',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Chatham',
  'America/Havana',
  'Pacific/Apia',
  'UTC',
];
const zone = fc.constantFrom(...ZONES);
const instant = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2030, 0, 1) });

const at = (iso: string): number => Date.parse(iso);

describe('businessDate', () => {
  it.each([
    ['noon', '2026-11-20T10:00:00Z', 'Africa/Johannesburg', 0, '2026-11-20'],
    ['local midnight', '2026-11-20T22:00:00Z', 'Africa/Johannesburg', 0, '2026-11-21'],
    ['a millisecond before it', '2026-11-20T21:59:59.999Z', 'Africa/Johannesburg', 0, '2026-11-20'],
    ['after midnight, before the cut-off', '2026-11-21T01:59:59.999Z', 'Africa/Johannesburg', 240, '2026-11-20'],
    ['at the cut-off', '2026-11-21T02:00:00Z', 'Africa/Johannesburg', 240, '2026-11-21'],
    ['winter in New York', '2017-01-01T04:59:59Z', NEW_YORK, 0, '2016-12-31'],
    ['summer in New York', '2017-07-01T04:00:00Z', NEW_YORK, 0, '2017-07-01'],
    // 2026-03-08: 02:00 becomes 03:00 at 07:00Z. A cut-off at 04:00 still means 04:00 on the wall.
    ['the short day, before 04:00', '2026-03-08T07:59:59Z', NEW_YORK, 240, '2026-03-07'],
    ['the short day, at 04:00', '2026-03-08T08:00:00Z', NEW_YORK, 240, '2026-03-08'],
    ['a cut-off inside the gap, before it', '2026-03-08T06:59:59Z', NEW_YORK, 150, '2026-03-07'],
    ['a cut-off inside the gap, after it', '2026-03-08T07:00:00Z', NEW_YORK, 150, '2026-03-08'],
    // 2026-11-01: 02:00 becomes 01:00 at 06:00Z.
    ['the long day, before 04:00', '2026-11-01T08:59:59Z', NEW_YORK, 240, '2026-10-31'],
    ['the long day, at 04:00', '2026-11-01T09:00:00Z', NEW_YORK, 240, '2026-11-01'],
    ['01:15 the first time, cut-off 01:30', '2026-11-01T05:15:00Z', NEW_YORK, 90, '2026-10-31'],
    ['01:45 the first time, cut-off 01:30', '2026-11-01T05:45:00Z', NEW_YORK, 90, '2026-11-01'],
    ['01:15 the second time: the day has begun', '2026-11-01T06:15:00Z', NEW_YORK, 90, '2026-11-01'],
    ['a leap day', '2028-02-29T12:00:00Z', 'UTC', 0, '2028-02-29'],
    ['1970', '1970-01-01T00:00:00Z', NEW_YORK, 0, '1969-12-31'],
  ])('%s', (_what, iso, timeZone, cutOffMinutes, expected) => {
    expect(businessDate(at(iso), timeZone, cutOffMinutes)).toBe(expected);
  });

  it('is the local date where the day begins at midnight', () => {
    fc.assert(
      fc.property(instant, zone, (instantMs, timeZone) => {
        expect(businessDate(instantMs, timeZone, 0)).toBe(
          DateTime.fromMillis(instantMs, { zone: timeZone }).toISODate(),
        );
      }),
    );
  });

  it('never runs backwards, whatever the cut-off', () => {
    const changes = fc.constantFrom(
      ...['2026-11-01T06:00Z', '2026-10-25T01:00Z', '2026-04-04T15:00Z', '2025-11-02T05:00Z'].map(at),
    );
    const near = fc.tuple(changes, fc.integer({ min: -240, max: 240 }));
    fc.assert(
      fc.property(
        near,
        fc.nat({ max: 180 }),
        zone,
        fc.nat({ max: 1439 }),
        ([changeMs, off], later, timeZone, cutOff) => {
          const firstMs = changeMs + off * 60_000;
          const first = businessDate(firstMs, timeZone, cutOff);
          expect(businessDate(firstMs + later * 60_000, timeZone, cutOff) >= first).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['an unknown zone', () => businessDate(0, 'Africa/Nowhere', 0), 'time-zone'],
    ['no zone', () => localHour(0, ''), 'time-zone'],
    ['a fraction of a millisecond', () => businessDate(0.5, 'UTC', 0), 'instant'],
    ['a time before 1970', () => businessDate(-1, 'UTC', 0), 'instant'],
    [
      'the last day before the year 10000, which has begun elsewhere',
      () => localHour(253_402_214_400_000, 'UTC'),
      'instant',
    ],
    ['a cut-off of a whole day', () => businessDate(0, 'UTC', 1440), 'cut-off'],
    ['a negative cut-off', () => businessDate(0, 'UTC', -1), 'cut-off'],
  ])('refuses %s', (_what, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }));
  });
});

describe('an instant of the API', () => {
  it.each([
    ['2026-11-20T14:03:11.000Z', Date.parse('2026-11-20T14:03:11.000Z')],
    ['0000-01-01T00:00:00Z', 0],
    ['9999-12-31T23:59:59.999Z', Date.parse('9999-12-30T23:59:59.999Z')],
  ])('%s has a business date in every zone', (iso, expected) => {
    expect(instantMsOf(iso)).toBe(expected);
    for (const timeZone of ['Pacific/Kiritimati', 'UTC', 'Pacific/Pago_Pago']) {
      expect(isBusinessDate(businessDate(instantMsOf(iso), timeZone, 0))).toBe(true);
    }
  });
});

describe('localHour', () => {
  it('is the hour on the wall, in zones of whole, half and quarter hours', () => {
    fc.assert(
      fc.property(instant, zone, (instantMs, timeZone) => {
        expect(localHour(instantMs, timeZone)).toBe(DateTime.fromMillis(instantMs, { zone: timeZone }).hour);
      }),
    );
  });
});

describe('localToInstantMs', () => {
  it.each([
    ['winter', '2017-01-01 07:30:27', NEW_YORK, '2017-01-01T12:30:27Z'],
    ['summer', '2017-06-15 23:59:59', NEW_YORK, '2017-06-16T03:59:59Z'],
    ['in the gap: the later instant', '2017-03-12 02:30:00', NEW_YORK, '2017-03-12T07:30:00Z'],
    ['at the end of the gap', '2017-03-12 03:00:00', NEW_YORK, '2017-03-12T07:00:00Z'],
    ['ambiguous: the earlier instant', '2017-11-05 01:30:00', NEW_YORK, '2017-11-05T05:30:00Z'],
    ['after the ambiguous hour', '2017-11-05 02:00:00', NEW_YORK, '2017-11-05T07:00:00Z'],
    // 02:00 becomes 02:30 at 15:30Z: the offset changes within an hour of UTC.
    ['half an hour set forward, before', '2026-10-04 01:45:00', 'Australia/Lord_Howe', '2026-10-03T15:15:00Z'],
    ['half an hour set forward, after', '2026-10-04 02:45:00', 'Australia/Lord_Howe', '2026-10-03T15:45:00Z'],
    ['after a day that never was', '2011-12-31 05:00:00', 'Pacific/Apia', '2011-12-30T15:00:00Z'],
  ])('%s', (_what, local, timeZone, iso) => {
    expect(localToInstantMs(local, timeZone)).toBe(at(iso));
  });

  it.each([
    '',
    'yesterday',
    '2017-02-29 10:00:00',
    '2017-13-01 10:00:00',
    '2017-01-01 24:00:00',
    '2017-01-01 10:60:00',
    '2017-01-01 10:00:60',
    '2017-01-01 10:00',
    '2017-01-01T10:00:00',
    '2017-01-01 10:00:00Z',
    ' 2017-01-01 10:00:00',
    '1969-12-30 10:00:00',
    '0017-01-01 10:00:00',
  ])('cannot read "%s"', (local) => {
    expect(localToInstantMs(local, NEW_YORK)).toBeNull();
  });

  it('reads back the wall clock of every instant, as the first moment that showed it', () => {
    fc.assert(
      fc.property(instant, zone, (anyMs, timeZone) => {
        const instantMs = Math.floor(anyMs / 1000) * 1000;
        const local = DateTime.fromMillis(instantMs, { zone: timeZone }).toFormat('yyyy-MM-dd HH:mm:ss');
        const read = localToInstantMs(local, timeZone) ?? Number.NaN;
        expect(DateTime.fromMillis(read, { zone: timeZone }).toFormat('yyyy-MM-dd HH:mm:ss')).toBe(local);
        expect(read).toBeLessThanOrEqual(instantMs);
        expect(instantMs - read).toBeLessThanOrEqual(3_600_000);
      }),
    );
  });
});

describe('isBusinessDate', () => {
  it.each([
    ['2026-11-20', true],
    ['2028-02-29', true],
    ['2026-02-29', false],
    ['2026-02-30', false],
    ['2026-00-10', false],
    ['2026-1-1', false],
    ['20261120', false],
    ['2026-11-20T00:00', false],
    ['2026-11-20\n', false],
  ])('%j: %s', (text, expected) => {
    expect(isBusinessDate(text)).toBe(expected);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deviceReference, parseDeviceReference, parseReceiptNumber, receiptNumber } from './receipt-number.js';

describe('receiptNumber', () => {
  it.each<[string, string, number, number, string]>([
    ['B001', 'T1', 1, 123, 'B001-T1-1-000123'],
    ['367', 'T1', 12, 999_999, '367-T1-12-999999'],
    ['B001', 'T1', 1, 1_000_000, 'B001-T1-1-1000000'],
  ])('%s %s %d %d is %s', (branch, till, epoch, number, expected) => {
    expect(receiptNumber(branch, till, epoch, number)).toBe(expected);
  });

  it.each<[string, string, number, number, string]>([
    ['b001', 'T1', 1, 1, 'code'],
    ['B-01', 'T1', 1, 1, 'code'],
    ['B001', '', 1, 1, 'code'],
    ['B001', 'T123456789012', 1, 1, 'code'],
    ['B001', 'T1\n', 1, 1, 'code'],
    ['B001', 'T1', 0, 1, 'receipt-number'],
    ['B001', 'T1', 1, 0, 'receipt-number'],
    ['B001', 'T1', 1, 1.5, 'receipt-number'],
    ['B001', 'T1', 1, 1_000_000_000, 'receipt-number'],
  ])('refuses %j %j %d %d', (branch, till, epoch, number, code) => {
    expect(() => receiptNumber(branch, till, epoch, number)).toThrow(expect.objectContaining({ code }));
  });
});

describe('parseReceiptNumber', () => {
  it('gives back what receiptNumber was given', () => {
    const code = fc.stringMatching(/^[A-Z0-9]{1,12}$/);
    const number = fc.integer({ min: 1, max: 999_999_999 });
    fc.assert(
      fc.property(code, code, number, number, (branch, till, epoch, count) => {
        expect(parseReceiptNumber(receiptNumber(branch, till, epoch, count))).toEqual({
          branch,
          till,
          epoch,
          number: count,
        });
      }),
    );
  });

  it.each(['', 'T1-20261120-000017', 'B001-T1-1-123', 'B001-T1-0-000123', 'B001-T1-1-000000', 'B001-T1-1-0001000000'])(
    'knows that %j is none',
    (text) => expect(parseReceiptNumber(text)).toBeNull(),
  );
});

describe('deviceReference', () => {
  it('is DEVICE-YYYYMMDD-SEQ', () => {
    expect(deviceReference('T1', '2026-11-20', 17)).toBe('T1-20261120-000017');
  });

  it('reads back what it wrote', () => {
    const device = fc.stringMatching(/^[A-Z0-9]{1,12}$/);
    const date = fc
      .date({ min: new Date('1970-01-01'), max: new Date('2999-12-31'), noInvalidDate: true })
      .map((day) => day.toISOString().slice(0, 10));
    fc.assert(
      fc.property(device, date, fc.integer({ min: 1, max: 999_999_999 }), (code, businessDate, seq) => {
        expect(parseDeviceReference(deviceReference(code, businessDate, seq))).toEqual({
          device: code,
          businessDate,
          seq,
        });
      }),
    );
  });

  it.each([
    '',
    'T1-20261120-17',
    'T1-20261120-000000',
    'T1-20261120-0000017',
    'T1-20260230-000017',
    't1-20261120-000017',
    'T1-20261120-000017 ',
    'B001-T1-1-000123',
  ])('does not read "%s"', (text) => {
    expect(parseDeviceReference(text)).toBeNull();
  });

  it.each<[string, string, number, string]>([
    ['T 1', '2026-11-20', 1, 'code'],
    ['T1', '2026-02-30', 1, 'business-date'],
    ['T1', '2026-11-20', 0, 'receipt-number'],
  ])('refuses %j %j %d', (device, date, seq, code) => {
    expect(() => deviceReference(device, date, seq)).toThrow(expect.objectContaining({ code }));
  });
});

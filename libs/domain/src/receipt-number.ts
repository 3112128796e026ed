import { isBusinessDate } from './business-date.js';
import { DomainError } from './errors.js';

/** Codes of branches, tills, drawers and devices. Source: domain.md, Identity. */
export const CODE_PATTERN = /^[A-Z0-9]{1,12}$/;

/** `DEVICE-YYYYMMDD-SEQ`; a sequence beyond 999999 simply gets longer. */
export const DEVICE_REFERENCE_PATTERN = /^([A-Z0-9]{1,12})-(\d{4})(\d{2})(\d{2})-(\d{6}|[1-9]\d{6,8})$/;

const RECEIPT_NUMBER_PATTERN = /^([A-Z0-9]{1,12})-([A-Z0-9]{1,12})-([1-9]\d{0,8})-(\d{6}|[1-9]\d{6,8})$/;

const NUMBER_MAX = 999_999_999;

export type DeviceReference = { device: string; businessDate: string; seq: number };

/**
 * `B001-T1-1-000123`: gapless per till and epoch, never recycled; a number beyond 999999 simply gets longer. Throws
 * `code` for a branch or till that is no code, `receipt-number` for an epoch or number below 1 or beyond nine digits.
 */
export function receiptNumber(branch: string, till: string, epoch: number, number: number): string {
  return `${checkedCode(branch)}-${checkedCode(till)}-${checkedNumber(epoch)}-${sixDigits(number)}`;
}

export type ReceiptNumber = { branch: string; till: string; epoch: number; number: number };

/** The parts of a receipt number; null for a text that `receiptNumber` could not have made. */
export function parseReceiptNumber(text: string): ReceiptNumber | null {
  const match = RECEIPT_NUMBER_PATTERN.exec(text);
  if (match === null) return null;
  const [, branch, till, epoch, number] = match as unknown as [string, string, string, string, string];
  return Number(number) > 0 ? { branch, till, epoch: Number(epoch), number: Number(number) } : null;
}

/** `B001-T1-1-V000001`: of what takes a completed sale back, a series of its own. Throws as `receiptNumber`. */
export function voidNumber(branch: string, till: string, epoch: number, number: number): string {
  return `${checkedCode(branch)}-${checkedCode(till)}-${checkedNumber(epoch)}-V${sixDigits(number)}`;
}

/** `T1-20261120-000017`, known even when the edge is away. Throws `code`, `business-date`, `receipt-number`. */
export function deviceReference(device: string, businessDate: string, seq: number): string {
  if (!isBusinessDate(businessDate)) throw new DomainError('business-date', `"${businessDate}" is not a date`);
  return `${checkedCode(device)}-${businessDate.replaceAll('-', '')}-${sixDigits(seq)}`;
}

/** The parts of a device reference; null for a text that `deviceReference` could not have made. */
export function parseDeviceReference(text: string): DeviceReference | null {
  const match = DEVICE_REFERENCE_PATTERN.exec(text);
  if (match === null) return null;
  const [, device, year, month, day, seq] = match as unknown as [string, string, string, string, string, string];
  const businessDate = `${year}-${month}-${day}`;
  return isBusinessDate(businessDate) && Number(seq) > 0 ? { device, businessDate, seq: Number(seq) } : null;
}

function checkedCode(code: string): string {
  if (!CODE_PATTERN.test(code)) throw new DomainError('code', `"${code}" is not a code of A-Z and 0-9, 1 to 12 long`);
  return code;
}

function checkedNumber(number: number): number {
  if (!Number.isInteger(number) || number < 1 || number > NUMBER_MAX) {
    throw new DomainError('receipt-number', `${number} is not a number of a receipt`);
  }
  return number;
}

function sixDigits(number: number): string {
  return String(checkedNumber(number)).padStart(6, '0');
}

import { z } from 'zod';
import { id } from './kinds/fields.js';
import { SEALED_PATTERN } from './person-cipher.js';

/** A personal field as it travels, under the key of its person; null: nothing is known. */
export const sealedValue = z.string().max(4_000).regex(SEALED_PATTERN).nullable();
export const consentValue = z.enum(['granted', 'denied']).nullable();
export const languageValue = z.string().max(35).nullable();
export const regionValue = z
  .string()
  .regex(/^[A-Z0-9]{1,12}$/)
  .nullable();

const hlc = z.string().regex(/^[0-9a-f]{12}-[0-9a-f]{4}$/);
/** Boxes that write one field without a line between them; more than a chain has that share a customer. */
export const WRITERS_MAX = 64;

const field = <S extends z.ZodType>(value: S) =>
  z.looseObject({ value, edits: z.array(id).max(WRITERS_MAX), hlc }).optional();

/** What stands in each field; absent: nobody ever wrote it. */
export const customerFieldsSchema = z.looseObject({
  name: field(sealedValue),
  email: field(sealedValue),
  phone: field(sealedValue),
  address: field(sealedValue),
  taxNumber: field(sealedValue),
  note: field(sealedValue),
  consentEmail: field(consentValue),
  consentSms: field(consentValue),
  consentPhone: field(consentValue),
  consentPost: field(consentValue),
  language: field(languageValue),
  region: field(regionValue),
});

import {
  CONSENT_FIELDS,
  FIELD_CHARACTERS_MAX,
  isConsent,
  normalised,
  PERSONAL_FIELDS,
  type CustomerField,
} from '@branchline/domain/customer-fields.js';
import { z } from 'zod';
import { regionValue } from './customer-record.js';
import { id } from './kinds/fields.js';

/** What people and tills say of a customer, the same at edge and hub. Null takes away what is there; absent leaves it. */

function text(field: keyof typeof FIELD_CHARACTERS_MAX) {
  return z
    .string()
    .max(FIELD_CHARACTERS_MAX[field])
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters')
    .nullable()
    .optional();
}

const consent = z.enum(['granted', 'denied']).nullable().optional();

const fields = {
  name: text('name'),
  email: z
    .string()
    .max(FIELD_CHARACTERS_MAX.email)
    .regex(/^[^\s\p{Cc}\p{Cs}@]+@[^\s\p{Cc}\p{Cs}@]+$/u, 'expected an e-mail address')
    .nullable()
    .optional(),
  phone: text('phone'),
  address: text('address'),
  taxNumber: text('taxNumber'),
  note: text('note'),
  consentEmail: consent,
  consentSms: consent,
  consentPhone: consent,
  consentPost: consent,
  language: text('language'),
};

export const customerChange = z.strictObject(fields);
export type CustomerChange = z.infer<typeof customerChange>;
export const customerInput = z.strictObject({ id, ...fields });
export type CustomerInput = z.infer<typeof customerInput>;

/** Head office also says whose stores know the customer. */
export const officeCustomerChange = z.strictObject({ ...fields, region: regionValue.optional() });
export type OfficeCustomerChange = z.infer<typeof officeCustomerChange>;
export const officeCustomerInput = z.strictObject({
  id: id.optional(),
  ...fields,
  region: z.string().regex(/^[A-Z0-9]{1,12}$/),
});
export type OfficeCustomerInput = z.infer<typeof officeCustomerInput>;

export type CustomerValues = Partial<Record<CustomerField, string | null>>;

/** The fields that are said, each in one spelling. */
export function valuesSaid(said: OfficeCustomerChange): CustomerValues {
  const values: CustomerValues = {};
  for (const field of [...PERSONAL_FIELDS, ...CONSENT_FIELDS, 'language', 'region'] as const) {
    const value = said[field];
    if (value === undefined) continue;
    values[field] = value === null || isConsent(field) ? value : normalised(value);
  }
  return values;
}

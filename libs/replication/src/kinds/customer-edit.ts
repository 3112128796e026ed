import { z } from 'zod';
import { consentValue, languageValue, regionValue, sealedValue, WRITERS_MAX } from '../customer-record.js';
import { id } from './fields.js';

const change = <S extends z.ZodType>(value: S) =>
  z.looseObject({ value, over: z.array(id).max(WRITERS_MAX) }).optional();

/**
 * One change of a customer at one place: a proposal, on which the hub decides. `id` is the edit's; the line's key is the
 * same, and its `refs` name the customer. `over`: the edits that stood in the field before the eyes of whoever wrote. What
 * names or reaches a person is encrypted under that person's key; a line with such a field in clear is no line.
 */
export const customerEditSchema = z.looseObject({
  id,
  customer: id,
  op: z.enum(['create', 'edit', 'delete']),
  box: id,
  hlc: z.string().regex(/^[0-9a-f]{12}-[0-9a-f]{4}$/),
  changes: z.looseObject({
    name: change(sealedValue),
    email: change(sealedValue),
    phone: change(sealedValue),
    address: change(sealedValue),
    taxNumber: change(sealedValue),
    note: change(sealedValue),
    consentEmail: change(consentValue),
    consentSms: change(consentValue),
    consentPhone: change(consentValue),
    consentPost: change(consentValue),
    language: change(languageValue),
    region: change(regionValue),
  }),
});

export type CustomerEditBody = z.infer<typeof customerEditSchema>;

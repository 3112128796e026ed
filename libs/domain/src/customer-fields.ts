/** What names a person or reaches one, and free text, which may do either: encrypted under the person's key wherever it travels. */
export const PERSONAL_FIELDS = ['name', 'email', 'phone', 'address', 'taxNumber', 'note'] as const;
export const CONSENT_FIELDS = ['consentEmail', 'consentSms', 'consentPhone', 'consentPost'] as const;
/** `region`: whose stores know the customer; `language`: to speak in. */
export const PLAIN_FIELDS = ['language', 'region'] as const;

export type PersonalField = (typeof PERSONAL_FIELDS)[number];
export type ConsentField = (typeof CONSENT_FIELDS)[number];
export type PlainField = (typeof PLAIN_FIELDS)[number];
export type CustomerField = PersonalField | ConsentField | PlainField;

/** In characters, as they are typed. */
export const FIELD_CHARACTERS_MAX: Readonly<Record<PersonalField | PlainField, number>> = {
  name: 200,
  email: 254,
  phone: 40,
  address: 300,
  taxNumber: 40,
  note: 500,
  language: 35,
  region: 12,
};

export function isPersonal(field: string): field is PersonalField {
  return (PERSONAL_FIELDS as readonly string[]).includes(field);
}

export function isConsent(field: string): field is ConsentField {
  return (CONSENT_FIELDS as readonly string[]).includes(field);
}

/** One spelling of one text: NFC, no space at the ends, single spaces within. '' is nothing. */
export function normalised(text: string): string | null {
  const tidy = text.normalize('NFC').replaceAll(/\s+/gu, ' ').trim();
  return tidy === '' ? null : tidy;
}

/** By what a customer is looked up; null where there is nothing to look up by. */
export type LookUpKeys = { nameKey: string | null; emailKey: string | null; phoneKey: string | null };

export function lookUpKeys(values: Partial<Record<PersonalField, string | null>>): LookUpKeys {
  return {
    nameKey: keyOr(nameKey, values.name),
    emailKey: keyOr(emailKey, values.email),
    phoneKey: keyOr(phoneKey, values.phone),
  };
}

/** Without marks and case: `José` is found as `jose`. Compatibility forms are one: `ﬁ` is `fi`. */
export function nameKey(name: string): string {
  const bare = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  return bare.replaceAll(/\s+/gu, ' ').trim();
}

/** Mailboxes that differ in case only do not exist in practice. */
export function emailKey(email: string): string {
  return email.normalize('NFKC').trim().toLowerCase();
}

/** One number is written with its country, with a zero instead, with brackets: the last digits are the same. */
const PHONE_DIGITS = 9;

export function phoneKey(phone: string): string {
  return phone.normalize('NFKC').replaceAll(/\D/gu, '').slice(-PHONE_DIGITS);
}

/** What is typed into one field of search: a part of an address, a number, or the beginning of a name. */
export type LookUp = { by: keyof LookUpKeys; key: string; isPrefix: boolean };

/** @returns null for what nothing can be found by */
export function lookUpOf(search: string): LookUp | null {
  const lookUp: LookUp = search.includes('@')
    ? { by: 'emailKey', key: emailKey(search), isPrefix: true }
    : /^[\d\s()+./-]+$/u.test(search.normalize('NFKC').trim())
      ? { by: 'phoneKey', key: phoneKey(search), isPrefix: false }
      : { by: 'nameKey', key: nameKey(search), isPrefix: true };
  return lookUp.key === '' ? null : lookUp;
}

/** Above every text that begins with `prefix`, in the order of code points. */
export function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

function keyOr(keyOf: (text: string) => string, text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  const key = keyOf(text);
  return key === '' ? null : key;
}

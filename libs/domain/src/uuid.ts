/** Canonical text of a UUID of any version 1 to 8: lower case, so that one id has one spelling in keys and hashes. */
export const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Makes ids. Handed in everywhere, so that tests and the simulation own chance. */
export type NewId = () => string;

/** Whether `text` is a UUID in canonical lower case. */
export function isUuid(text: string): boolean {
  return UUID_PATTERN.test(text);
}

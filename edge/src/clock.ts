/** Injection tokens of what the outside hands in: time (`Clock` of libs/domain) and ids (`NewId`: UUIDv7). */
export const CLOCK = Symbol('clock');
export const NEW_ID = Symbol('new-id');

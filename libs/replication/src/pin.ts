import { createHmac } from 'node:crypto';

/** What argon2id is run over, at the hub when a PIN is set and at the edge when it is checked: HMAC-SHA256(pepper, PIN), hex. */
export function pepperedPin(pepper: Buffer, operator: string, pin: string): string {
  return createHmac('sha256', pepper).update(`branchline-pin-1\n${operator}\n${pin}`).digest('hex');
}

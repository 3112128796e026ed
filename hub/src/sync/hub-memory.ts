import { timingSafeEqual } from 'node:crypto';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { HubSecrets } from '../secrets.js';

/**
 * What the hub had when it last answered a hello: the newest number of each scope, and how far each history was applied.
 * The box keeps it, unread, and shows it with its next hello, so that a hub which was set back believes what it lost, and
 * nothing that a box makes up: beside the words stands a MAC under a secret that is in no database and no backup of one.
 */
export type HubMemory = {
  hubEpoch: string;
  newest: Readonly<Record<string, number>>;
  applied: Readonly<Record<string, number>>;
};

/** Of a box that has more histories than any disaster leaves, the newest: 1.5 kB. */
export const REMEMBERED_HISTORIES_MAX = 20;

type Box = Pick<PrincipalOf<'box'>, 'tenantId' | 'boxId'>;

export function writeMemory(secrets: HubSecrets, box: Box, memory: HubMemory): string {
  const words = Buffer.from(JSON.stringify(memory), 'utf8').toString('base64url');
  return `${words}.${macOf(secrets, box, words).toString('base64url')}`;
}

/** @returns null: no hub with these secrets said so to this box */
export function readMemory(secrets: HubSecrets, box: Box, shown: string | null | undefined): HubMemory | null {
  const [words, told = ''] = (shown ?? '').split('.');
  if (!words) return null;
  const [mac, own] = [Buffer.from(told, 'base64url'), macOf(secrets, box, words)];
  if (mac.length !== own.length || !timingSafeEqual(mac, own)) return null;
  return JSON.parse(Buffer.from(words, 'base64url').toString('utf8')) as HubMemory;
}

function macOf(secrets: HubSecrets, { tenantId, boxId }: Box, words: string): Buffer {
  return secrets.memoryMac(`${tenantId}\n${boxId}\n${words}`);
}

import type { Authenticator } from '@branchline/access/principal.js';
import { problem } from '@branchline/http/problem.js';
import {
  PROTOCOL_HEADER,
  protocolSaid,
  rangeText,
  SPOKEN,
  speaks,
  type ProtocolRange,
} from '@branchline/replication/protocol.js';
import type { FastifyRequest } from 'fastify';

/** @throws Problem `protocol`, with what is spoken here, so that the other end can fall back to it or say who is to be upgraded */
export function assertSpoken(protocol: number, spoken: ProtocolRange = SPOKEN): void {
  if (speaks(spoken, protocol)) return;
  const members = { spoken: [spoken.from, spoken.to] };
  throw problem('protocol', `This hub speaks protocol ${rangeText(spoken)}, the box ${protocol}.`, { members });
}

/** @returns the protocol that a request is in @throws Problem `protocol`, `invalid-field` */
export function spokenIn({ headers }: Pick<FastifyRequest, 'headers'>, spoken: ProtocolRange = SPOKEN): number {
  const protocol = protocolSaid(headers[PROTOCOL_HEADER]);
  if (protocol === null) throw problem('invalid-field', `${PROTOCOL_HEADER}: not the number of a protocol`);
  assertSpoken(protocol, spoken);
  return protocol;
}

/** A box is known by its token first: who it is decides nothing about what it speaks, but only a box is told. */
export function speaking(authenticator: Authenticator): Authenticator {
  return async (request) => {
    const principal = await authenticator(request);
    spokenIn(request);
    return principal;
  };
}

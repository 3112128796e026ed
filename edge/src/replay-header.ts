import type { FastifyReply } from 'fastify';

/** 201 for what was made now; 200 and `Idempotent-Replay: true` for what stands already. */
export function replyStatus(reply: FastifyReply, replayed: boolean): void {
  if (replayed) reply.header('idempotent-replay', 'true');
  reply.code(replayed ? 200 : 201);
}

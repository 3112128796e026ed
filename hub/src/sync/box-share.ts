import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type {} from '@branchline/access/route-access.js';
import { problem } from '@branchline/http/problem.js';
import type { FastifyRequest } from 'fastify';
import { finalize, type Observable } from 'rxjs';

/**
 * Requests of one box in hand at once. An edge has one of each of its loops, and at times one more whose connection died;
 * without a bound one box could hold every connection to the database, and no store of the chain could push.
 */
export const BOX_REQUESTS_MAX = 8;
const RETRY_AFTER_S = 2;

/** Each box its share of this process, on all routes of boxes alike. After the guard: who is not that box takes none of it. */
@Injectable()
export class BoxShare implements NestInterceptor {
  private readonly inHand = new Map<string, number>();

  /** @throws Problem `busy` */
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
    if (principal?.kind !== 'box') return next.handle();
    const leave = this.enter(principal.boxId);
    return next.handle().pipe(finalize(leave));
  }

  private enter(box: string): () => void {
    const requests = this.inHand.get(box) ?? 0;
    if (requests >= BOX_REQUESTS_MAX)
      throw problem('busy', 'Too many requests of this box at once.', {
        headers: { 'retry-after': String(RETRY_AFTER_S) },
      });
    this.inHand.set(box, requests + 1);
    return () => {
      const left = (this.inHand.get(box) ?? 1) - 1;
      if (left === 0) this.inHand.delete(box);
      else this.inHand.set(box, left);
    };
  }
}

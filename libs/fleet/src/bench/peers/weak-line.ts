import type { FaultProxy } from '../../fault-proxy.js';
import type { PassingBytes, Verdict } from '../../fault-link.js';

/** Each way: a round trip takes 200 ms. */
export const LINE_DELAY_MS = 100;
export const RESET_SHARE = 0.02;

type Exchange = { isOver: boolean; resets: 'request' | 'reply' | null };

/**
 * Which exchanges a line breaks. An exchange is what goes up after something came down, and its answer: a request of HTTP,
 * a message over a WebSocket, however long. Of a share of them the connection is reset, of half of these as the request
 * goes up, of the others as its reply comes down, when the server has done what was asked. Drawn once an exchange and
 * not by its bytes: those who send all in one piece would never get it through.
 */
export class ResetDraws {
  private readonly exchanges = new Map<number, Exchange>();

  constructor(
    private readonly share: number,
    private readonly chance: () => number,
  ) {}

  up({ connection }: Pick<PassingBytes, 'connection'>): Verdict {
    let exchange = this.exchanges.get(connection);
    if (exchange === undefined || exchange.isOver) {
      exchange = { isOver: false, resets: this.draw() };
      this.exchanges.set(connection, exchange);
    }
    return exchange.resets === 'request' ? 'reset' : 'pass';
  }

  down({ connection }: Pick<PassingBytes, 'connection'>): Verdict {
    const exchange = this.exchanges.get(connection);
    if (exchange === undefined) return 'pass';
    exchange.isOver = true;
    return exchange.resets === 'reply' ? 'reset' : 'pass';
  }

  private draw(): Exchange['resets'] {
    if (this.chance() >= this.share) return null;
    return this.chance() < 0.5 ? 'request' : 'reply';
  }
}

/** From now on the line is slow and breaks, by the same draws for whoever has the same seed. */
export function weaken(line: FaultProxy, chance: () => number): void {
  const draws = new ResetDraws(RESET_SHARE, chance);
  line.setDelayMs(LINE_DELAY_MS);
  line.onRequestBytes((bytes) => draws.up(bytes));
  line.onReplyBytes((bytes) => draws.down(bytes));
}

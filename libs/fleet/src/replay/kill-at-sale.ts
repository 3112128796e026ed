import type { EdgeBox } from '../chain/edge-box.js';
import type { KillMoment } from './outage-plan.js';

export interface Killed {
  killedPid: number;
  restartedPid: number;
}

const SALE_REQUEST = Buffer.from('POST /v1/sales ');

/**
 * Arms the line between till and edge: at the next sale the edge is killed, and nothing of the request (`before`) or of the reply
 * (`after`) is delivered; then it is started again on its data. Resolves when it trades again.
 */
export function killAtNextSale(edge: EdgeBox, moment: KillMoment): Promise<Killed> {
  const line = edge.tillLine;
  if (!line) throw new Error('the edge has no line to its tills');
  return new Promise<Killed>((done, fail) => {
    const strike = async (): Promise<'reset'> => {
      line.onRequestBytes(null);
      line.onReplyBytes(null);
      const killedPid = await edge.kill();
      edge.launch().then(() => done({ killedPid, restartedPid: edge.pid }), fail);
      return 'reset';
    };
    let saleOn = -1;
    line.onRequestBytes(({ connection, chunk }) => {
      if (!chunk.subarray(0, SALE_REQUEST.length).equals(SALE_REQUEST)) return 'pass';
      if (moment === 'before') return strike();
      saleOn = connection;
      return 'pass';
    });
    line.onReplyBytes(({ connection }) => (connection === saleOn ? strike() : 'pass'));
  });
}

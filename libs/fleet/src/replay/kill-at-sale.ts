import type { EdgeBox } from '../chain/edge-box.js';
import type { KillMoment } from './outage-plan.js';

const SALE_REQUEST = Buffer.from('POST /v1/sales ');

/**
 * Arms the line between till and edge: at the next sale the edge is killed, and nothing of the request (`before`) or of the reply
 * (`after`) is delivered; then it is started again on its data. Resolves with its new pid when it trades again.
 */
export function killAtNextSale(
  edge: EdgeBox,
  moment: KillMoment,
  onKilled: (killedPid: number) => void,
): Promise<number> {
  const line = edge.tillLine;
  if (!line) throw new Error('the edge has no line to its tills');
  return new Promise<number>((done, fail) => {
    const strike = async (): Promise<'reset'> => {
      line.onRequestBytes(null);
      line.onReplyBytes(null);
      // The bytes wait for the kill only; nobody waits for the hook when it fails.
      await edge.kill().then(onKilled).catch(fail);
      edge.launch().then(() => done(edge.pid), fail);
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

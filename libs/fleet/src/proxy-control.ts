import type { FaultProxy } from './fault-proxy.js';
import { type LocalControl, startLocalControl } from './local-control.js';

/** Lets another process cut and restore a line: `POST /cut`, `POST /restore`, `GET /`. */
export function startProxyControl(proxy: FaultProxy, listenPort = 0): Promise<LocalControl> {
  return startLocalControl(({ method, url }) => {
    const route = `${method} ${url}`;
    if (route === 'POST /cut') proxy.cut();
    else if (route === 'POST /restore') proxy.restore();
    else if (route !== 'GET /') return { status: 404, body: { error: 'POST /cut, POST /restore or GET /' } };
    const { isCut, port, open, counters } = proxy;
    return { status: 200, body: { line: isCut ? 'down' : 'up', isCut, port, open, ...counters } };
  }, listenPort);
}

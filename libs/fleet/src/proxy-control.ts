import type { FaultProxy } from './fault-proxy.js';
import { isSameText, type LocalControl, startLocalControl } from './local-control.js';

const USAGE = 'POST /cut, POST /restore or GET / beneath the address that is told';

/**
 * Lets another process cut and restore a line: beneath its `url` `POST /cut`, `POST /restore`, `GET /`. The token is the
 * first part of its path, so that whoever has the address has all that is needed, and nobody else of this machine.
 */
export async function startProxyControl(proxy: FaultProxy, token: string): Promise<LocalControl> {
  const control = await startLocalControl(({ method, url = '' }) => {
    const [, given = '', action] = /^\/([^/?]*)(?:\/(\w*))?$/.exec(url) ?? [];
    if (!isSameText(given, token)) return { status: 401, body: { error: 'the token is missing from the address' } };
    const route = `${method} /${action ?? ''}`;
    if (route === 'POST /cut') proxy.cut();
    else if (route === 'POST /restore') proxy.restore();
    else if (route !== 'GET /') return { status: 404, body: { error: USAGE } };
    const { isCut, port, open, counters } = proxy;
    return { status: 200, body: { line: isCut ? 'down' : 'up', isCut, port, open, ...counters } };
  });
  return { ...control, url: `${control.url}/${token}` };
}

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import axios from 'axios';
import type { Verdict } from './fault-link.js';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';
import { startProxyControl } from './proxy-control.js';

describe('the line between a client and a server', () => {
  let server: Server;
  let proxy: FaultProxy;
  let seen: string[];
  let targetPort: number;

  beforeEach(async () => {
    seen = [];
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece: string) => (body += piece));
      request.on('end', () => {
        seen.push(body);
        response.end(`echo ${body}`);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    targetPort = typeof address === 'object' && address ? address.port : 0;
    proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: targetPort } });
  });

  afterEach(async () => {
    await proxy.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  const post = async (body: string, timeout = 5_000): Promise<string> => {
    const reply = await axios.post<string>(proxy.url, body, { timeout, headers: { 'content-type': 'text/plain' } });
    return reply.data;
  };

  it('passes what is sent both ways unaltered and counts it', async () => {
    const body = 'x'.repeat(3_000_000);
    expect(await post(body)).toBe(`echo ${body}`);
    expect(proxy.counters.connections).toBe(1);
    expect(proxy.counters.upBytes).toBeGreaterThan(3_000_000);
    expect(proxy.counters.downBytes).toBeGreaterThan(3_000_000);
    expect(proxy.counters.resets).toBe(0);
  });

  it('resets what is open when it is cut, refuses what comes, and passes again when it is restored', async () => {
    proxy.holdReplies();
    const pending = post('first');
    const failed = expect(pending).rejects.toMatchObject({ code: 'ECONNRESET' });
    while (seen.length === 0) await new Promise((done) => setImmediate(done));
    proxy.cut();
    await failed;
    expect(proxy.isCut).toBe(true);
    expect(proxy.open).toBe(0);
    await expect(post('second')).rejects.toMatchObject({ code: 'ECONNRESET' });
    proxy.restore();
    proxy.releaseReplies();
    expect(await post('third')).toBe('echo third');
    expect(seen).toEqual(['first', 'third']);
  });

  it('keeps replies back until they are released', async () => {
    proxy.holdReplies();
    let answered = false;
    const pending = post('held').finally(() => (answered = true));
    while (seen.length === 0) await new Promise((done) => setImmediate(done));
    expect(answered).toBe(false);
    proxy.releaseReplies();
    expect(await pending).toBe('echo held');
  });

  it('drops the reply of the request it was asked to, after the server has done the work', async () => {
    proxy.dropReplyOf((request) => request.includes('lose-me'));
    expect(await post('keep-me')).toBe('echo keep-me');
    await expect(post('lose-me')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toEqual(['keep-me', 'lose-me']);
    proxy.dropReplyOf(null);
    expect(await post('lose-me')).toBe('echo lose-me');
  });

  it('lets a hook stop a request before the server has it, and a reply before the client has it', async () => {
    const order: string[] = [];
    proxy.onRequestBytes(async (): Promise<Verdict> => {
      await Promise.resolve();
      order.push('request');
      return 'reset';
    });
    await expect(post('never')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toEqual([]);
    proxy.onRequestBytes(null);
    proxy.onReplyBytes(({ chunk }) => {
      order.push(chunk.toString('latin1').startsWith('HTTP/1.1 200') ? 'reply' : 'not a reply');
      return 'reset';
    });
    await expect(post('done')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toEqual(['done']);
    expect(order).toEqual(['request', 'reply']);
  });

  it('resets a connection after so many bytes', async () => {
    proxy.resetAfterBytes({ down: 40 });
    await expect(post('long enough')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(proxy.counters.downBytes).toBe(40);
    proxy.resetAfterBytes({ up: 10 });
    await expect(post('long enough')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toEqual(['long enough']);
  });

  it('says nothing while it is half-open, and delivers what was sent when it is not any more', async () => {
    proxy.setSilent(true);
    await expect(post('too slow', 150)).rejects.toMatchObject({ code: 'ECONNABORTED' });
    const patient = post('patient');
    proxy.setSilent(false);
    expect(await patient).toBe('echo patient');
  });

  it('delays every piece without changing the order', async () => {
    proxy.setDelayMs(60);
    const before = performance.now();
    expect(await post('slow')).toBe('echo slow');
    expect(performance.now() - before).toBeGreaterThanOrEqual(115);
  });

  it('carries a half-closed connection to its end', async () => {
    const tcp = createTcpServer({ allowHalfOpen: true }, (socket: Socket) => {
      let text = '';
      socket.on('data', (piece) => (text += piece.toString()));
      socket.on('end', () => socket.end(`got ${text.length}`));
    }).listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const address = tcp.address();
    proxy.retarget({ host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 });
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('y'.repeat(2_000_000));
    let reply = '';
    for await (const piece of socket) reply += String(piece);
    expect(reply).toBe('got 2000000');
    expect(proxy.counters.resets).toBe(0);
    await new Promise((done) => tcp.close(done));
  });

  it('does not buffer more than its bound when the receiver does not read', async () => {
    const receivers: Socket[] = [];
    const stuck = createTcpServer((receiver) => receivers.push(receiver.pause())).listen(0, '127.0.0.1');
    await once(stuck, 'listening');
    const address = stuck.address();
    proxy.retarget({ host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 });
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    const piece = Buffer.alloc(1 << 20);
    let sentBytes = 0;
    while (socket.write(piece) || (await Promise.race([once(socket, 'drain').then(() => true), afterMs(500)]))) {
      sentBytes += piece.length;
      if (sentBytes > 200 << 20) break;
    }
    expect(sentBytes).toBeLessThan(100 << 20);
    socket.destroy();
    for (const receiver of receivers) receiver.destroy();
    await new Promise((done) => stuck.close(done));
  });

  it('is cut and restored by another process over HTTP, never by a web page', async () => {
    const control = await startProxyControl(proxy, 'token-of-this-start');
    expect(new URL(control.url).pathname).toBe('/token-of-this-start');
    for (const path of ['/cut', '/', '', '/token-of-another/cut', '//cut', '/token-of-this-star/cut']) {
      const { status } = await axios.post(`${new URL(control.url).origin}${path}`, null, {
        validateStatus: () => true,
      });
      expect([path, status, proxy.isCut]).toEqual([path, 401, false]);
    }
    expect((await axios.post<{ line: string }>(`${control.url}/cut`)).data.line).toBe('down');
    expect(proxy.isCut).toBe(true);
    const foreign = axios.post(`${control.url}/restore`, null, { headers: { origin: 'https://example.com' } });
    await expect(foreign).rejects.toMatchObject({ response: { status: 403 } });
    expect((await axios.get<{ isCut: boolean }>(control.url)).data.isCut).toBe(true);
    expect((await axios.post<{ line: string }>(`${control.url}/restore`)).data.line).toBe('up');
    expect(proxy.isCut).toBe(false);
    await control.close();
  });

  it('resets who connects while nobody listens behind it, and passes again when somebody does', async () => {
    proxy.retarget({ host: '127.0.0.1', port: 1 });
    await expect(post('nobody there')).rejects.toMatchObject({ code: 'ECONNRESET' });
    proxy.retarget({ host: '127.0.0.1', port: targetPort });
    expect(await post('there')).toBe('echo there');
  });

  it('says in one line that its port is taken', async () => {
    const taken = startFaultProxy({ target: { host: '127.0.0.1', port: targetPort }, listenPort: targetPort });
    await expect(taken).rejects.toThrow(`port ${targetPort} is in use`);
  });
});

function afterMs(ms: number): Promise<false> {
  return new Promise((done) => setTimeout(() => done(false), ms));
}

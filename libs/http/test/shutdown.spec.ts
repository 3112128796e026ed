import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import axios from 'axios';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { createHttpApp, listen } from '../src/app.js';

function deferred() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** Holds one request inside and the stop open until the test lets go. */
@Injectable()
class Gate implements OnModuleDestroy {
  private readonly inside = deferred();
  private readonly stopping = deferred();
  private readonly released = deferred();
  readonly isInside = this.inside.promise;
  readonly isStopping = this.stopping.promise;

  pass(): Promise<void> {
    this.inside.resolve();
    return this.released.promise;
  }

  release(): void {
    this.released.resolve();
  }

  onModuleDestroy(): Promise<void> {
    this.stopping.resolve();
    return this.released.promise;
  }
}

@Controller()
class GateController {
  constructor(private readonly gate: Gate) {}

  @Get('slow')
  async slow(): Promise<{ answered: true }> {
    await this.gate.pass();
    return { answered: true };
  }
}

@Module({ controllers: [GateController], providers: [Gate] })
class GateModule {}

describe('a stop', () => {
  it('waits neither for a connection on which nothing was asked nor for a request that never arrives whole', async () => {
    const app = await createHttpApp(GateModule, {
      name: 'gate',
      version: '1',
      bodyBytesMax: 100,
      logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const port = await listen(app, { host: '127.0.0.1', port: 0 });
    const gone: string[] = [];
    const ends: Promise<unknown>[] = [];
    const client = async (name: string, text: string): Promise<void> => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('error', () => undefined);
      socket.on('close', () => gone.push(name));
      ends.push(once(socket, 'close'));
      await once(socket, 'connect');
    };
    await client(
      'half',
      'POST /slow HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    );
    await client('silent', '');
    // An answer shows that the server has seen the two before it.
    await axios.get(`http://127.0.0.1:${port}/nope`, { validateStatus: () => true });
    app.get(Gate).release();
    await app.close();
    await Promise.all(ends);
    expect(gone).toEqual(['silent', 'half']);
  }, 9_000);

  it('answers who is inside, refuses who comes, and leaves nothing listening', async () => {
    const app = await createHttpApp(GateModule, {
      name: 'gate',
      version: '1',
      bodyBytesMax: 100,
      logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const port = await listen(app, { host: '127.0.0.1', port: 0 });
    const gate = app.get(Gate);
    const httpAgent = new Agent({ keepAlive: true });
    const client = axios.create({ baseURL: `http://127.0.0.1:${port}`, validateStatus: () => true, httpAgent });

    const inside = client.get('/slow');
    await gate.isInside;
    const closed = app.close();
    await gate.isStopping;
    const late = await client.get('/slow');
    expect([late.status, late.data.code]).toEqual([503, 'shutting-down']);
    expect(late.headers).toMatchObject({ 'retry-after': '5', connection: 'close' });
    gate.release();
    expect(await inside).toMatchObject({ data: { answered: true }, headers: { connection: 'close' } });
    await closed;
    httpAgent.destroy();
    await expect(axios.get(`http://127.0.0.1:${port}/slow`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

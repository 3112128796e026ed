import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { assertPortIsFree, freePort } from './ports.js';

describe('a port of this machine', () => {
  it('that was found free can be listened on, and is then in use', async () => {
    const port = await freePort();
    // Below what outgoing connections are given.
    expect(port).toBeLessThan(32_768);
    await assertPortIsFree(port);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    await expect(assertPortIsFree(port)).rejects.toMatchObject({
      name: 'EnvironmentFailure',
      message: `port ${port} is in use`,
    });
    await new Promise((done) => server.close(done));
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { EDGE_NODE_ARGS, EDGE_NODE_ENV } from './programs.js';

const textOf = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');
const args = EDGE_NODE_ARGS.join(' ');
const env = Object.entries(EDGE_NODE_ENV).map(([name, value]) => `${name}=${value}`);

describe('the edge', () => {
  it.each([
    ['deploy/systemd/branchline-edge.service', `ExecStart=/usr/bin/node ${args} edge/dist/main.js`],
    ['deploy/Dockerfile', `CMD ["${EDGE_NODE_ARGS.join('", "')}", "edge/dist/main.js"]`],
    ['package.json', `exec node ${args} edge/dist/main.js`],
  ])('is started by %s as it is when its memory is weighed', (path, command) => {
    const text = textOf(path);
    expect(text).toContain(command);
    for (const each of env) expect(text).toContain(each);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import axios, { type AxiosRequestConfig } from 'axios';
import type { LocalControl } from '../local-control.js';
import { startTrialControl, type TrialBranch, type TrialStore } from './trial-control.js';

const TOKEN = 'a-token-of-this-start';
const LOOKS: TrialBranch = {
  branch: 'B001',
  line: 'up',
  box: 'down',
  tillBaskets: 3,
  tillTotalMinor: 1_234,
  currency: 'AUD',
  businessDate: '2026-11-21',
  queue: null,
  headSeq: null,
  headHash: null,
  url: 'http://127.0.0.1:1',
};

let done: string[];
let control: LocalControl;
beforeEach(async () => {
  done = [];
  const store: TrialStore = {
    code: 'B001',
    look: async () => LOOKS,
    cut: () => void done.push('cut'),
    restore: () => void done.push('restore'),
    kill: async () => void done.push('kill'),
  };
  control = await startTrialControl(TOKEN, () => [store]);
});
afterEach(() => control.close());

async function ask(method: string, path: string, headers: AxiosRequestConfig['headers'] = bearer(TOKEN)) {
  const url = `${control.url}${path}`;
  const { status, data } = await axios.request<unknown>({ method, url, headers, validateStatus: () => true });
  return { status, data };
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('the switches of the trial chain', () => {
  it('show every branch to whoever has the token', async () => {
    expect(await ask('GET', '/')).toEqual({ status: 200, data: { branches: [LOOKS] } });
  });

  it.each(['cut', 'restore', 'kill'])('%s a branch', async (action) => {
    expect(await ask('POST', `/branches/B001/${action}`)).toEqual({ status: 200, data: { ok: true } });
    expect(done).toEqual([action]);
  });

  it.each([
    ['an unknown branch', 'POST', '/branches/B009/kill', bearer(TOKEN), 404],
    ['an unknown action', 'POST', '/branches/B001/burn', bearer(TOKEN), 404],
    ['a switch by GET', 'GET', '/branches/B001/kill', bearer(TOKEN), 404],
    ['nobody', 'POST', '/branches/B001/kill', {}, 401],
    ['another token', 'POST', '/branches/B001/kill', bearer('a-token-of-that-start'), 401],
    ['a longer token', 'GET', '/', bearer(`${TOKEN}x`), 401],
    ['a web page', 'POST', '/branches/B001/kill', { ...bearer(TOKEN), origin: 'http://127.0.0.1:8400' }, 403],
  ])('refuse %s', async (_what, method, path, headers, status) => {
    expect((await ask(method, path, headers)).status).toBe(status);
    expect(done).toEqual([]);
  });
});

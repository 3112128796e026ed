import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { openBrowser } from '@branchline/fleet/testing/browser.js';
import { VERIFY_MS_MAX } from '../src/verify/run-verification.js';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { FakeStore, FakeTrial } from './fake-trial.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';

const HOSTILE = `<img src=x onerror="window.hostile=1"><b>Bold</b>`;
let browser: Browser;
let trial: FakeTrial;
let harness: HubHarness;
let newtown: FakeStore;
let glenelg: FakeStore;

beforeAll(async () => {
  browser = await openBrowser();
  trial = await FakeTrial.start();
  harness = await startHubHarness(systemClock, { trial: trial.place });
  await createPlaces(harness.admin.api);
  const names = { B001: 'Newtown', B002: 'Glenelg', B003: HOSTILE };
  for (const [code, name] of Object.entries(names)) await createBranch(harness.admin.api, code, { name });
  newtown = await openStore('B001');
  glenelg = await openStore('B002');
});
afterAll(async () => {
  await browser.close();
  await harness.close();
  await trial.close();
});

async function openStore(code: string): Promise<FakeStore> {
  const store = await FakeStore.open(harness.url, harness.admin.api, code, () => systemClock.now());
  trial.stores.set(code, store);
  await store.sell({ lines: [{ priceMinor: 1_000 }] });
  return store;
}

/** What a browser complained of in a test: scripts that failed, and what the policy kept out. */
let complaints: string[];
let context: BrowserContext;
let page: Page;
beforeEach(async () => {
  complaints = [];
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await newPage();
});
afterEach(async () => {
  await context.close();
  // A refresh without a cookie is answered 401, which Chromium notes; anything else is a defect of the page.
  expect(complaints.filter((complaint) => !complaint.includes('the server responded with a status of 401'))).toEqual(
    [],
  );
});

async function newPage(): Promise<Page> {
  const opened = await context.newPage();
  opened.setDefaultTimeout(15_000);
  opened.on('pageerror', (error) => complaints.push(String(error)));
  opened.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  opened.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  return opened;
}

async function newLink(api = harness.admin.api): Promise<string> {
  const { data } = await api.post<{ code: string }>('/v1/auth/links');
  return `${harness.url}/#sign-in=${data.code}`;
}
async function signIn(): Promise<void> {
  await page.goto(await newLink());
  await rowOf('Newtown').waitFor();
}
const rowOf = (name: string): Locator => page.locator('tr.branch').filter({ hasText: name });
const cellOf = (name: string, label: string): Locator => rowOf(name).locator(`td[data-label="${label}"]`);
const order = (name: string, what: string): Locator => rowOf(name).getByRole('button', { name: what });
/** Resolves when the text is there: the page looks every second and a half. */
const says = (place: Locator, text: string | RegExp): Promise<void> =>
  place.filter({ hasText: text }).first().waitFor();
const formWord = (): Locator => page.locator('#sign-in-word');

describe('signing in', () => {
  it('by a link works once, and leaves nothing of it in the address', async () => {
    const link = await newLink();
    await page.goto(link);
    await rowOf('Newtown').waitFor();
    expect(page.url()).toBe(`${harness.url}/`);
    const second = await browser.newContext();
    const other = await second.newPage();
    await other.goto(link);
    await other.getByText('This sign-in link was used before or has expired. Sign in here.').waitFor();
    expect([other.url(), await other.getByLabel('E-mail').isVisible()]).toEqual([`${harness.url}/`, true]);
    await second.close();
    // Whoever is signed in already is not sent to the form by an old link.
    await page.goto('about:blank');
    await page.goto(link);
    await rowOf('Newtown').waitFor();
  });

  it('by a link of somebody else asks first, and leaves who is signed in as he is unless he says yes', async () => {
    const { email } = harness.admin;
    const grants = [{ role: 'auditor', scope: 'tenant' }];
    const person = { email: 'mallory@acme.example', name: 'Mallory', grants };
    const { data } = await harness.admin.api.post<{ password: string }>('/v1/people', person);
    const mallory = await harness.signIn(person.email, data.password);
    const link = await newLink(mallory.api);
    await signIn();
    await says(page.locator('#who'), email);
    // In a tab that shows the page already the link changes the fragment only.
    for (const turn of ['stay', 'change'] as const) {
      await page.goto(link);
      await says(
        page.locator('#otherwise-word'),
        `You are signed in here as ${email}. This link signs in mallory@acme.example.`,
      );
      expect([page.url(), await page.locator('#chain').isVisible()]).toEqual([`${harness.url}/`, false]);
      await page.getByRole('button', { name: turn === 'stay' ? 'Stay signed in' : 'Follow the link' }).click();
      await rowOf('Newtown').waitFor();
      await says(page.locator('#who'), turn === 'stay' ? email : 'mallory@acme.example');
    }
    complaints = complaints.filter((complaint) => !complaint.includes('a status of 409'));
  });

  it('shows whoever comes next nothing of what was shown to the one before', async () => {
    await signIn();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await says(formWord(), 'You are signed out.');
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/v1/today', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(await newLink());
    await says(page.locator('#who'), harness.admin.email);
    expect([await page.locator('#chain').isVisible(), await page.locator('#overview').isVisible()]).toEqual([
      true,
      false,
    ]);
    answer();
    await rowOf('Newtown').waitFor();
  });

  it('keeps the refresh token where no script reads it, and survives reloads', async () => {
    await signIn();
    expect(await context.cookies()).toMatchObject([
      { name: '__Host-branchline-hub-refresh', path: '/', secure: true, httpOnly: true, sameSite: 'Strict' },
    ]);
    expect(await page.evaluate('[document.cookie, localStorage.length, sessionStorage.length]')).toEqual(['', 0, 0]);
    for (let times = 0; times < 3; times += 1) {
      await page.reload();
      await rowOf('Newtown').waitFor();
    }
    // Three tabs that are restored at once: each use of a refresh token but the first would look like theft.
    const tabs = await Promise.all([newPage(), newPage(), newPage()]);
    await Promise.all(tabs.map((tab) => tab.goto(harness.url)));
    for (const tab of tabs) await tab.locator('tr.branch').first().waitFor();
  });

  it('lets a renewal end that a page began and did not live to see, before it asks with the old cookie', async () => {
    await signIn();
    const until = await page.evaluate<number>(
      `{ const until = Date.now() + 1_500; localStorage.setItem('branchline-renewing-until', String(until)); until }`,
    );
    const renewing = page.waitForRequest(/\/auth\/refresh/);
    await page.reload();
    await renewing;
    expect(Date.now()).toBeGreaterThanOrEqual(until - 20);
    await rowOf('Newtown').waitFor();
    expect(await page.evaluate('localStorage.length')).toBe(0);
  });

  it('with a password says what was wrong, and signing out ends it', async () => {
    await page.goto(harness.url);
    await page.getByLabel('E-mail').fill(harness.admin.email);
    await page.getByLabel('Password').fill('not it');
    await page.keyboard.press('Enter');
    await says(formWord(), 'E-mail, password or code is wrong.');
    await page.getByLabel('Password').fill(harness.admin.password);
    await page.keyboard.press('Enter');
    await rowOf('Newtown').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await says(formWord(), 'You are signed out.');
    expect(await context.cookies()).toEqual([]);
    await page.reload();
    await page.getByLabel('Password').waitFor();
    expect(await page.getByLabel('Password').inputValue()).toBe('');
  });

  it('that was ended elsewhere leads back to the form', async () => {
    await signIn();
    await harness.database.transaction(harness.admin.tenantId, (tx) =>
      tx.execute('UPDATE refresh_family SET ended_at = now() WHERE started_at IS NOT NULL AND ended_at IS NULL'),
    );
    await says(formWord(), 'Your sign-in has ended. Sign in again.');
    Object.assign(harness.admin, await harness.signIn(harness.admin.email, harness.admin.password));
  });
});

describe('the chain at a glance', () => {
  it('says of each branch up to where it is complete, and what is in the way of the total', async () => {
    await signIn();
    await says(cellOf('Newtown', 'Known to head office'), 'complete up to #2');
    await says(cellOf('Newtown', 'At head office'), /ZAR\s10\.00/);
    await says(cellOf('Newtown', 'Head of history'), 'proved up to #2');
    await says(rowOf('Bold'), 'nothing known');
    await says(page.locator('#total-said'), 'complete: no · waiting for <img src=x');
    await says(page.locator('#total-amount'), /ZAR\s20\.00/);
    const chart = page.getByRole('img', { name: /^By hour: \d+:00 ZAR\s20\.00\.$/ });
    expect(await chart.locator('title').first().textContent()).toMatch(/^B001 Newtown, \d+:00 to \d+:00: ZAR\s10\.00$/);
  });

  it('shows a hostile name as the text it is', async () => {
    await signIn();
    await says(rowOf('Bold').locator('.name'), `B003 ${HOSTILE}`);
    expect(await page.locator('table img, table b').count()).toBe(0);
    expect(await page.evaluate(`'hostile' in window`)).toBe(false);
  });

  it('lets no script in that is not its own', async () => {
    await signIn();
    await page.evaluate(`{
      const script = document.createElement('script');
      script.textContent = 'window.smuggled = 1';
      document.head.append(script);
    }`);
    expect(await page.evaluate(`'smuggled' in window`)).toBe(false);
    expect(complaints.splice(0)).toEqual([expect.stringContaining('Content Security Policy')]);
  });

  it('shows cause and effect: a line is cut, the store sells on, the line heals, both sides meet', async () => {
    await signIn();
    await says(page.locator('#hint'), 'Try it: cut a store’s line');
    await order('Glenelg', 'Cut line').click();
    await says(cellOf('Glenelg', 'Line'), 'line cut');
    await glenelg.sell({ lines: [{ priceMinor: 250 }] });
    await glenelg.sell({ lines: [{ priceMinor: 250 }] });
    await says(cellOf('Glenelg', 'Sold in the store'), '3 sales');
    await says(cellOf('Glenelg', 'At head office'), /1 sale2 sales, ZAR\s5\.00 not here yet/);
    await says(cellOf('Glenelg', 'Known to head office'), /incomplete after #2.*2 lines wait in the store/);
    await says(page.locator('#hint'), 'Glenelg is cut off and sells on: head office lacks 2 sales, and says so.');
    await order('Glenelg', 'Restore line').click();
    await says(
      page.locator('#hint'),
      /Glenelg is whole again: 3 sales, ZAR\s15\.00 on both sides, one head hash \w{8} at #4/,
    );
    await says(cellOf('Glenelg', 'At head office'), '= the store’s own');
    await says(cellOf('Glenelg', 'Known to head office'), 'complete up to #4');
    expect(trial.orders.slice(-2)).toEqual(['B002 cut', 'B002 restore']);
  });

  it('kills a box and sees it come back, with the keyboard alone', async () => {
    await signIn();
    await order('Newtown', 'Kill box').focus();
    await page.keyboard.press('Enter');
    await says(cellOf('Newtown', 'Line'), 'box down');
    await says(page.locator('#hint'), 'Newtown’s box is down.');
    expect(await order('Newtown', 'Kill box').isDisabled()).toBe(true);
    newtown.boot();
    await says(cellOf('Newtown', 'Line'), 'line up');
    await says(page.locator('#hint'), 'Newtown is whole again');
    expect(trial.orders.at(-1)).toBe('B001 kill');
  });

  it('verifies a branch and says so in words', async () => {
    await signIn();
    await order('Newtown', 'Verify').click();
    await says(
      page.locator('tr.note'),
      /verified [\d:]+: equal · 2 lines, 1 day, head #2 \w{8}, signed by the box\. Recomputed/,
    );
    await says(cellOf('Newtown', 'Head of history'), /verified [\d:]+, equal/);
  });

  it('says since when the hub is away, and goes on by itself', async () => {
    await signIn();
    await context.setOffline(true);
    await says(page.locator('#notice'), /^No answer from the hub since \d\d:\d\d:\d\d\. Trying again\.$/);
    await context.setOffline(false);
    await page.locator('#notice').waitFor({ state: 'hidden' });
    complaints = complaints.filter((complaint) => !complaint.includes('ERR_INTERNET_DISCONNECTED'));
  });

  it('says so when it cannot show an answer, and goes on by itself', async () => {
    await signIn();
    await page.route('**/v1/today', (route) => route.fulfill({ json: {} }));
    await says(page.locator('#notice'), /^No figures that this page can show since \d\d:\d\d:\d\d\. Trying again\.$/);
    await says(page.locator('#live-word'), 'as of');
    await page.unroute('**/v1/today');
    await page.locator('#notice').waitFor({ state: 'hidden' });
    expect(complaints).not.toEqual([]);
    complaints = complaints.filter((complaint) => !complaint.includes('RangeError'));
  });

  it('waits for a verification as long as the hub works on one', async () => {
    await page.addInitScript(`window.waitsMs = []; const timeout = AbortSignal.timeout.bind(AbortSignal);
      AbortSignal.timeout = (ms) => { window.waitsMs.push(ms); return timeout(ms); };`);
    await signIn();
    await order('Newtown', 'Verify').click();
    await says(page.locator('tr.note'), /verified [\d:]+: equal/);
    expect(await page.evaluate('Math.max(...window.waitsMs)')).toBeGreaterThan(VERIFY_MS_MAX);
  });

  it('says that the trial is away while head office answers', async () => {
    await signIn();
    trial.failWith = 500;
    await says(page.locator('#notice'), 'The program that runs the trial does not answer; head office does.');
    expect(await rowOf('Newtown').isVisible()).toBe(true);
    trial.failWith = null;
    await page.locator('#notice').waitFor({ state: 'hidden' });
    complaints = complaints.filter((complaint) => !complaint.includes('status of 503'));
  });

  it('asks nothing while nobody looks, and at once when somebody does', async () => {
    await page.clock.install();
    await signIn();
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/today')) asked += 1;
    });
    const turn = (hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
        document.dispatchEvent(new Event('visibilitychange'));`);
    const looked = page.waitForResponse(/\/v1\/today$/);
    await page.clock.runFor(2_000);
    await looked;
    await turn(true);
    await page.waitForLoadState('networkidle');
    asked = 0;
    await page.clock.runFor(600_000);
    expect(asked).toBe(0);
    const again = page.waitForResponse(/\/v1\/today$/);
    await turn(false);
    await again;
  });
});

describe('a narrow screen', () => {
  it('needs no scrolling to the side', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await signIn();
    const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
    expect(widths).toEqual([360, 360]);
    expect(await order('Newtown', 'Verify').isVisible()).toBe(true);
  });
});

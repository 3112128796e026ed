import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Browser, Locator, Page } from 'playwright-core';
import { seconds } from '../mutants/run-program.js';
import { openBrowser } from '../testing/browser.js';

const STEP_MS_MAX = 60_000;
/** What is sold while the line is cut, for head office to lack. */
const CUT_MS = 12_000;
const FRAME = { width: 1280, height: 800 };

export interface Looking {
  link: string;
  /** A store of the trial. */
  branch: string;
  /** Where pictures go; absent: nowhere. */
  picturesDir: string | undefined;
  signal: AbortSignal;
  note(line: string): void;
}

/**
 * A visitor's minute at head office's page: signs in by the link, cuts a store's line, sees what head office lacks, kills the
 * store's box, restores the line, sees both sides meet, and has it verified.
 *
 * @returns how long each took @throws with the first thing that does not come
 */
export async function lookAtPage(looking: Looking): Promise<string> {
  const browser = await openBrowser();
  const close = (): void => void browser.close().catch(() => undefined);
  looking.signal.addEventListener('abort', close);
  try {
    return await new Visit(browser, looking).run();
  } finally {
    looking.signal.removeEventListener('abort', close);
    await browser.close();
  }
}

class Visit {
  private readonly complaints: string[] = [];
  private pictures = 0;

  constructor(
    private readonly browser: Browser,
    private readonly looking: Looking,
  ) {}

  async run(): Promise<string> {
    const { link, branch, signal } = this.looking;
    const page = await this.open(link);
    const row = page.locator('tr.branch').filter({ hasText: branch });
    await row.locator('.head[data-tone=good]').waitFor();
    await page.locator('#chart svg').waitFor();
    await this.picture(page, 'one history');

    const cutMs = performance.now();
    await this.press(page, 'Cut line');
    await row.getByText('line cut').waitFor();
    await pause(CUT_MS, undefined, { signal });
    await row.getByText('not here yet').waitFor();
    await page.locator('#total-said').filter({ hasText: 'complete: no' }).waitFor();
    await this.picture(page, 'cut, and selling on');

    const killedMs = performance.now();
    await this.press(page, 'Kill box');
    await row.getByText('box down').waitFor();
    await this.picture(page, 'killed');
    await row.getByText('line cut').waitFor();
    const backMs = performance.now();
    await this.picture(page, 'back');

    await this.press(page, 'Restore line');
    await this.untilMet(row);
    const metMs = performance.now();
    await this.picture(page, 'met');

    await this.press(page, 'Verify');
    await page
      .getByText(/verified .*: equal/)
      .first()
      .waitFor();
    await this.picture(page, 'verified');
    if (this.complaints.length > 0) throw new Error(`the browser complains: ${this.complaints.join('; ')}`);
    return `cut to one history again ${seconds(metMs - cutMs)}, a killed box back in ${seconds(backMs - killedMs)}`;
  }

  private async open(link: string): Promise<Page> {
    const page = await this.browser.newPage({ viewport: FRAME });
    page.setDefaultTimeout(STEP_MS_MAX);
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    await page.goto(link);
    return page;
  }

  private async press(page: Page, what: string): Promise<void> {
    await page.getByRole('button', { name: `${what} of ${this.looking.branch}` }).click();
  }

  /** Takings equal on both sides, and the same hash over the same number of lines. */
  private async untilMet(row: Locator): Promise<void> {
    await row.getByText('= the store’s own').waitFor();
    await row.locator('.head[data-tone=good]').waitFor();
  }

  private async picture(page: Page, what: string): Promise<void> {
    const { picturesDir, note } = this.looking;
    note(`the page: ${what}`);
    if (picturesDir === undefined) return;
    this.pictures += 1;
    mkdirSync(picturesDir, { recursive: true });
    const name = `${String(this.pictures).padStart(2, '0')}-${what.replaceAll(/[^a-z]+/g, '-')}.png`;
    await page.screenshot({ path: join(picturesDir, name) });
  }
}

import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';

/** Where the program that runs a trial chain (`npm start`) takes orders; loopback only, and only with its token. */
export type TrialControlPlace = { url: string; token: string };

export const TRIAL_ACTIONS = ['cut', 'restore', 'kill'] as const;
export type TrialAction = (typeof TRIAL_ACTIONS)[number];

const trialBranch = z.object({
  branch: z.string(),
  line: z.enum(['up', 'down']),
  box: z.enum(['up', 'down']),
  /** What the branch's tills were told is done, on its current business date: the truth to hold head office's figure against. */
  tillBaskets: z.number(),
  tillTotalMinor: z.number(),
  currency: z.string(),
  businessDate: z.string(),
  /** Of the edge itself; null while it is down. */
  queue: z.number().nullable(),
  headSeq: z.number().nullable(),
  headHash: z.string().nullable(),
  url: z.string(),
});
export type TrialBranch = z.infer<typeof trialBranch>;
const trialAnswer = z.object({ branches: z.array(trialBranch).max(10_000) });

/** Killing a box waits until it is dead. */
const CONTROL_MS_MAX = 10_000;

/** Asks the program that runs the trial. The browser never sees its address or token. */
export class TrialControl {
  constructor(private readonly place: TrialControlPlace) {}

  /** @throws Problem `trial-away` */
  async read(): Promise<TrialBranch[]> {
    const answer = await this.ask('GET', '');
    const parsed = trialAnswer.safeParse(await answer.json().catch(() => undefined));
    if (!answer.ok || !parsed.success) throw away(`It answered ${answer.status} with what was not expected.`);
    return parsed.data.branches;
  }

  /** @throws Problem `not-found`, `trial-away` */
  async act(branch: string, action: TrialAction): Promise<void> {
    const answer = await this.ask('POST', `branches/${encodeURIComponent(branch)}/${action}`);
    await answer.arrayBuffer();
    if (answer.status === 404) throw problem('not-found', `There is no branch ${branch} in the trial.`);
    if (!answer.ok) throw away(`It answered ${answer.status}.`);
  }

  private async ask(method: string, path: string): Promise<Response> {
    const { url, token } = this.place;
    try {
      return await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
        method,
        headers: { authorization: `Bearer ${token}` },
        redirect: 'error',
        signal: AbortSignal.timeout(CONTROL_MS_MAX),
      });
    } catch {
      throw away();
    }
  }
}

function away(detail?: string): Error {
  return problem('trial-away', detail, { headers: { 'retry-after': '2' } });
}

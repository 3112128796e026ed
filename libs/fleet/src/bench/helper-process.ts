import { yieldProcessors } from './yield-processors.js';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

type Reply = { result: unknown } | { error: string };

/**
 * What must not run in the process that measures: a load that would steal the time of what it loads, a yardstick that
 * blocks. One question at a time; it ends with us, however we end.
 */
export class HelperProcess<Ask extends object, Answer> {
  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {}

  /**
   * @param script beside this file, without its suffix: `edge/load-main`
   * @param yields it stands for a machine of its own: it takes of the processors what those that are measured leave
   */
  static start<Ask extends object, Answer>(script: string, { yields = false } = {}): HelperProcess<Ask, Answer> {
    const file = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
    const child = fork(file, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    if (yields && child.pid !== undefined) yieldProcessors(child.pid);
    return new HelperProcess<Ask, Answer>(child, script);
  }

  async ask(question: Ask, signal: AbortSignal): Promise<Answer> {
    const stop = new AbortController();
    const either = { signal: AbortSignal.any([signal, stop.signal]) };
    const answered = once(this.child, 'message', either).then(([reply]) => reply as Reply);
    const ended = once(this.child, 'exit', either).then(([code]): Reply => ({ error: `ended with ${String(code)}` }));
    try {
      this.child.send(question);
      const reply = await Promise.race([answered, ended]);
      if ('error' in reply) throw new Error(`${this.name}: ${reply.error}`);
      return reply.result as Answer;
    } finally {
      stop.abort();
      await Promise.allSettled([answered, ended]);
    }
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** The other side: answers each question; the parent's end is ours. */
export function serveQuestions<Ask extends object, Answer>(answer: (question: Ask) => Answer | Promise<Answer>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (question: Ask) => {
    void Promise.resolve(question)
      .then(answer)
      .then(
        (result) => process.send?.({ result }),
        (error: unknown) =>
          process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      );
  });
}

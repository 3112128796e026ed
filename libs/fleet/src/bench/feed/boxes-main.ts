import { serveQuestions } from '../helper-process.js';
import { VirtualBoxes } from './virtual-boxes.js';

/** `enrol` opens boxes with these codes; `await` resolves when the first `boxes` of them have a scope up to a number. */
export type BoxesAsk =
  | { ask: 'enrol'; hubUrl: string; codes: readonly string[]; scopes: readonly string[] }
  | { ask: 'await'; scope: string; number: number };
/** When the last box was there, and by whom it was told; epoch ms. */
export type BoxesAnswer = { atMs: number; requests: number; bytes: number };

let boxes: VirtualBoxes | null = null;

serveQuestions<BoxesAsk, BoxesAnswer>(async (question) => {
  if (question.ask === 'enrol') {
    boxes ??= new VirtualBoxes(question.hubUrl, question.scopes);
    await boxes.enrol(question.codes);
  } else {
    await boxes?.allAt(question.scope, question.number);
  }
  const { requests = 0, bytes = 0 } = boxes?.counters ?? {};
  return { atMs: Date.now(), requests, bytes };
});

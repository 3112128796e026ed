import { createPrivateKey } from 'node:crypto';
import { Agent, request } from 'node:http';
import { chanceFrom } from '../edge/chance.js';
import { serveQuestions } from '../helper-process.js';
import type { JournalBox } from '../ingest/branch-journal.js';
import { type HostilePush, HostilePushes, type Victim } from './hostile-pushes.js';

export interface HostileLoad {
  hubUrl: string;
  token: string;
  box: Omit<JournalBox, 'signing'> & { signingPem: string };
  victims: readonly Victim[];
  seed: number;
  /** Ends after so many that were read, or at that time, whichever comes first. */
  pushes: number;
  untilMs: number;
}

export interface HostileFigures {
  /** Those that the hub has let in and read. */
  read: number;
  turnedAway: number;
  /** By status of the answer; 0: none, the connection was ended. */
  answers: Record<number, number>;
  /** Answers that no push may ever get, with what was wrong with the push: `500 noise`. */
  wrong: string[];
}

/** As many as the hub lets in from one box at once, and one more that it has to turn away. */
const STREAMS = 5;
/** What a push may be answered with, whatever it is. */
const EXPECTED = [0, 200, 400, 401, 403, 409, 413, 415, 426, 429, 503];
/** Before the body is read. */
const TURNED_AWAY = [0, 429, 503];
const WRONG_MAX = 20;
const ANSWER_MS_MAX = 60_000;

const streams: HostilePushes[] = [];

/** Pushes of a box that wants to do harm, several streams at once, each gone on with from question to question. */
serveQuestions<HostileLoad, HostileFigures>(async ({ hubUrl, token, box, victims, seed, pushes, untilMs }) => {
  const { signingPem, ...rest } = box;
  const journalBox: JournalBox = { ...rest, signing: createPrivateKey(signingPem) };
  while (streams.length < STREAMS) {
    streams.push(new HostilePushes(journalBox, victims, chanceFrom(seed + streams.length)));
  }
  const agent = new Agent({ keepAlive: true, maxSockets: STREAMS });
  const figures: HostileFigures = { read: 0, turnedAway: 0, answers: {}, wrong: [] };
  const send = async (stream: HostilePushes): Promise<void> => {
    while (figures.read < pushes && Date.now() < untilMs) {
      const push = stream.next();
      const { status, body } = await post(hubUrl, token, push, agent);
      if (TURNED_AWAY.includes(status)) figures.turnedAway += 1;
      else figures.read += 1;
      figures.answers[status] = (figures.answers[status] ?? 0) + 1;
      if (status === 200) stream.taken(push);
      if (status === 409) stream.forget();
      if (!EXPECTED.includes(status) && figures.wrong.length < WRONG_MAX) {
        figures.wrong.push(`${status} to ${push.what}: ${body.slice(0, 200)}`);
      }
    }
  };
  try {
    await Promise.all(streams.map(send));
    return figures;
  } finally {
    agent.destroy();
  }
});

function post(
  hubUrl: string,
  token: string,
  push: HostilePush,
  agent: Agent,
): Promise<{ status: number; body: string }> {
  return new Promise((done) => {
    const headers = { ...push.headers, authorization: `Bearer ${token}`, 'content-length': push.body.length };
    const options = { method: 'POST', headers, agent, timeout: ANSWER_MS_MAX };
    const sent = request(`${hubUrl}/sync/v1/push`, options, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', () => done({ status: 0, body: '' }));
      answer.on('end', () => done({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => done({ status: 0, body: '' }));
    sent.end(push.body);
  });
}

import { systemClock } from '@branchline/domain/clock.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { enrolAnswerSchema, type EnrolAnswer } from '@branchline/replication/box-protocol.js';
import { certificateHolds } from '@branchline/replication/box-certificate.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { openSealed } from '@branchline/replication/sealing.js';
import { newBoxKeys, type BoxIdentity, type BoxKeys } from '../store/box.js';
import { LineFailure, Refusal } from './hub-failure.js';
import { HubLine } from './hub-line.js';
import { NoCommonProtocol, Speech } from './speech.js';

const TRIES_MAX = 3;

/**
 * Trades a one-time code for this box's place in a branch. The keys live in memory until the answer is there: written
 * first, a crash would leave keys that nothing certifies, and the code is spent either way. A lost answer is asked for
 * again with the same keys; when the hub says the code is used, the operator asks for a new one, and the box that the hub
 * noted without ever hearing from it stays without a history.
 *
 * @throws EnvironmentFailure with one line
 */
export async function enrolBox(hubUrl: string, code: string, requestTimeoutMs = 30_000): Promise<BoxIdentity> {
  const keys = newBoxKeys();
  const { signal } = new AbortController();
  const line = new HubLine({ hubUrl, requestTimeoutMs, clock: systemClock, signal, speech: new Speech() });
  try {
    const answer = await askForPlace(line, code, keys);
    return identityOf(answer, keys);
  } catch (error) {
    throw enrolFailure(hubUrl, error);
  } finally {
    line.close();
  }
}

async function askForPlace(line: HubLine, code: string, keys: BoxKeys): Promise<EnrolAnswer> {
  const body = { code, signingKey: rawPublicKey(keys.signingKey), sealingKey: rawPublicKey(keys.sealingKey) };
  for (let tries = 1; ; tries++) {
    try {
      const request = { method: 'POST', path: '/sync/v1/enrol', body } as const;
      return await line.speech.ask(() => line.ask(request, enrolAnswerSchema));
    } catch (error) {
      if (!(error instanceof LineFailure) || tries === TRIES_MAX) throw error;
    }
  }
}

function identityOf(answer: EnrolAnswer, keys: BoxKeys): BoxIdentity {
  const { tenant, branch, branchCode, box, epoch, certificate } = answer;
  let pepper: Buffer;
  try {
    pepper = openSealed(answer.pepper, keys.sealingKey);
  } catch (error) {
    throw new EnvironmentFailure('the pepper in the hub’s answer was not sealed to this box', { cause: error });
  }
  return { tenant, branch, branchCode, box, epoch, certificate, hubKeys: hubKeysOf(answer, keys), pepper, ...keys };
}

/** Kept for good: a certifying key that has not signed this box's own certificate would sign bundles for somebody else. */
function hubKeysOf(answer: EnrolAnswer, keys: BoxKeys): BoxIdentity['hubKeys'] {
  const { tenant, branch, box, certificate, hubKeys } = answer;
  if (hubKeys === undefined) return null;
  const own = { signingKey: rawPublicKey(keys.signingKey), sealingKey: rawPublicKey(keys.sealingKey) };
  if (!certificateHolds(certificate, { tenant, branch, box, ...own }, hubKeys.certifyingKey))
    throw new EnvironmentFailure('the certificate in the hub’s answer is not of the key that it names as its own');
  return { certifyingKey: hubKeys.certifyingKey, sealingKey: hubKeys.sealingKey };
}

function enrolFailure(hubUrl: string, error: unknown): unknown {
  if (error instanceof LineFailure) {
    return new EnvironmentFailure(`cannot enrol: no usable answer from ${hubUrl} (${error.message})`, { cause: error });
  }
  if (error instanceof NoCommonProtocol)
    return new EnvironmentFailure(`cannot enrol at ${hubUrl}: ${error.detail}`, { cause: error });
  if (error instanceof Refusal) {
    const advice = error.status === 401 ? '; ask head office for a new one' : '';
    return new EnvironmentFailure(`cannot enrol at ${hubUrl}: ${error.detail} (${error.code})${advice}`, {
      cause: error,
    });
  }
  return error;
}

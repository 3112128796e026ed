import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import {
  commonProtocol,
  rangeOf,
  rangeText,
  SPOKEN,
  spokenSchema,
  type ProtocolRange,
} from '@branchline/replication/protocol.js';
import { Refusal } from './hub-failure.js';

/** What a hub speaks, by its answer to hello. One of before does not say, and speaks that of its answer alone. */
export function spokenOf({
  protocol,
  spoken = [protocol, protocol],
}: Pick<HelloAnswer, 'protocol' | 'spoken'>): ProtocolRange {
  return rangeOf(spoken);
}

/** Neither end is at fault, and waiting mends it: one of them is to be upgraded, and the detail says which. */
export class NoCommonProtocol extends Refusal {
  constructor(box: ProtocolRange, hub: ProtocolRange) {
    const upgrade = hub.from > box.to ? 'upgrade the box' : 'head office is to be upgraded';
    const detail = `this box speaks protocol ${rangeText(box)}, head office ${rangeText(hub)}: ${upgrade}`;
    super({ status: 426, code: 'protocol', detail, retryAfterMs: null, extension: {} });
  }
}

/**
 * In which protocol this box speaks with its hub: the newest that both do, as far as the box knows. It begins with its own
 * newest, learns what the hub speaks from a refusal or from an answer to hello, and so goes down with a hub that is older
 * and up again once that is upgraded.
 */
export class Speech {
  private now: number;
  private hubSpeaks: ProtocolRange | null = null;

  /** @param spoken by this box */
  constructor(readonly spoken: ProtocolRange = SPOKEN) {
    this.now = spoken.to;
  }

  get protocol(): number {
    return this.now;
  }

  /** As it was heard last; null: not since the start. */
  get hub(): ProtocolRange | null {
    return this.hubSpeaks;
  }

  /** @returns the protocol that is spoken from now on; null: there is none in common */
  heard(hub: ProtocolRange): number | null {
    this.hubSpeaks = hub;
    const common = commonProtocol(this.spoken, hub);
    if (common !== null) this.now = common;
    return common;
  }

  /**
   * Asks, and asks once more where the hub does not speak the protocol of the first try but another one of ours.
   * @param request made anew by each call @throws NoCommonProtocol, and what `request` throws
   */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    const asked = this.now;
    try {
      return await request();
    } catch (error) {
      const hub = spokenByHub(error);
      if (hub === null) throw error;
      const common = this.heard(hub);
      if (common === null) throw new NoCommonProtocol(this.spoken, hub);
      // It refuses what it says that it speaks.
      if (common === asked) throw error;
      return request();
    }
  }
}

function spokenByHub(error: unknown): ProtocolRange | null {
  if (!(error instanceof Refusal) || error.code !== 'protocol') return null;
  const { data } = spokenSchema.safeParse(error.extension['spoken']);
  return data === undefined ? null : rangeOf(data);
}

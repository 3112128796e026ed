import { certificateHolds } from '@branchline/replication/box-certificate.js';
import type { HelloAnswer, History } from '@branchline/replication/box-protocol.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import type { BoxIdentity } from '../store/box.js';

export type CertifiedSelf = Pick<
  BoxIdentity,
  'tenant' | 'branch' | 'box' | 'certificate' | 'signingKey' | 'sealingKey'
>;

export type ProvenHistories = { proven: ReadonlyMap<string, History>; refused: readonly string[] };

/**
 * Whose the histories are that the hub names. The key that certifies is known again by this box's own certificate, which
 * came with its enrolment: who can write the hub's rows, or stands in its place, can name no box of his own.
 */
export function provenHistories({ histories = [], certifyingKey }: HelloAnswer, self: CertifiedSelf): ProvenHistories {
  const proven = new Map<string, History>();
  if (histories.length === 0) return { proven, refused: [] };
  const { tenant, branch, box, certificate } = self;
  const keys = { signingKey: rawPublicKey(self.signingKey), sealingKey: rawPublicKey(self.sealingKey) };
  if (certifyingKey === undefined || !certificateHolds(certificate, { tenant, branch, box, ...keys }, certifyingKey))
    return { proven, refused: ['the hub certifies with another key than it certified this box with'] };
  const refused: string[] = [];
  for (const history of histories) {
    const { signingKey, sealingKey } = history;
    const certified = { tenant, branch, box: history.box, signingKey, sealingKey };
    if (certificateHolds(history.certificate, certified, certifyingKey)) proven.set(history.incarnation, history);
    else refused.push(`nobody certified box ${history.box} of history ${history.incarnation}`);
  }
  return { proven, refused };
}

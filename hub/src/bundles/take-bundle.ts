import type { KeyObject } from 'node:crypto';
import { Problem, problem } from '@branchline/http/problem.js';
import { uuid } from '@branchline/http/fields.js';
import { BadBundle, type BundleFault, type BundleHeader } from '@branchline/replication/bundle.js';
import { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordPlace } from '@branchline/replication/bundle-records.js';
import { openPersonKeys, personKeysOfferSchema, type PersonKey } from '@branchline/replication/person-keys.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import { takePersonKeys } from '../customers/person-key-offers.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { findStreams } from '../sync/streams.js';
import { takePush } from '../sync/take-push.js';
import type { BundleParts } from './bundle-parts.js';
import { isHeld } from './bundle-held.js';
import { assertSpokenIn } from './bundle-protocol.js';
import { findSender, principalOf, type BundleBox, type Carrier } from './bundle-box.js';
import { noteIn, understood, understoodWants, type SaidByBox } from './bundle-notes.js';

/** `refused`: why no more of this history was taken, as the line would have answered; what came before it stands. */
const streamTaken = z.strictObject({
  incarnation: uuid,
  fromSeq: z.int(),
  lastSeq: z.int(),
  appliedSeq: z.int(),
  newLines: z.int(),
  refused: z.strictObject({ fromSeq: z.int(), code: z.string(), detail: z.string() }).nullable(),
});
export const bundleTakenSchema = z.strictObject({
  bundle: uuid,
  branch: z.string(),
  box: uuid,
  createdAt: z.string(),
  /** False: a later one of this box has come before. Its lines count all the same; what the box says of itself does not. */
  isNewest: z.boolean(),
  /** In the bundle, and of them those that were new. */
  lines: z.int(),
  newLines: z.int(),
  streams: z.array(streamTaken),
  /** Keys of persons in it, new or not. */
  personKeys: z.int(),
});
export type BundleTaken = z.infer<typeof bundleTakenSchema>;
type StreamTaken = z.infer<typeof streamTaken>;

/**
 * Takes in what a box without a line has written for head office. Nothing of it has an effect before all of it is proved;
 * then each push goes through the very door of those that come by line, so that order and repetition do no harm. A history
 * that does not follow what is held is told and left; the others go on.
 *
 * @param path of a file that nobody changes meanwhile
 * @throws Problem `malformed-bundle`, `bundle-forged`, `bundle-sealed-to-another`, `bundle-not-ours`, `box-revoked`, `protocol`
 */
export async function takeBundle(parts: BundleParts, carrier: Carrier, path: string): Promise<BundleTaken> {
  const file = await asProblem(() => BundleFile.open(path));
  try {
    const { header } = file;
    if (header.direction !== 'up')
      throw problem('malformed-bundle', 'This bundle is for a store, not for head office.');
    const box = await senderOf(parts, carrier, header);
    const places = await proved(parts, file, box);
    const taken = await takeRecords(parts, file, places, box);
    return await concluded(parts, carrier, header, box, taken);
  } finally {
    await file.close();
  }
}

const CODES = {
  malformed: 'malformed-bundle',
  forged: 'bundle-forged',
  'sealed-to-another': 'bundle-sealed-to-another',
} as const satisfies Record<BundleFault, string>;

async function asProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BadBundle ? problem(CODES[error.fault], `The bundle: ${error.message}.`) : error;
  }
}

async function senderOf(parts: BundleParts, carrier: Carrier, header: BundleHeader): Promise<BundleBox> {
  try {
    if (header.tenant !== carrier.tenantId) throw problem('bundle-not-ours', 'It is of another chain.');
    return await parts.database.transaction(carrier.tenantId, (tx) =>
      findSender(tx, carrier, header.box, header.branch),
    );
  } catch (error) {
    if (error instanceof Problem) await incident(parts, carrier.tenantId, null, header.box, error);
    throw error;
  }
}

async function proved(parts: BundleParts, file: BundleFile, box: BundleBox): Promise<readonly RecordPlace[]> {
  const { sealingKey } = parts.secrets;
  try {
    const places = await asProblem(() => file.prove({ sealingKey, signedBy: box.signingKey }));
    if (box.revoked) throw problem('box-revoked');
    await assertSpokenIn(file, places);
    return places;
  } catch (error) {
    if (error instanceof Problem) await incident(parts, box.tenantId, box.branchId, box.boxId, error);
    throw error;
  }
}

/** A file that was cut may be a stick pulled out too early; people see how often, and of which box. */
async function incident(
  parts: BundleParts,
  tenantId: string,
  branchId: string | null,
  box: string,
  { code, detail }: Problem,
): Promise<void> {
  // A box that nobody knows is any id: one incident for all of them, or the list has no end.
  const key = branchId === null ? code : `${code} ${box}`;
  const told = { branchId, code: `bundle-refused`, key, detail: `a bundle of box ${box}: ${detail}` };
  const at = { nowMs: parts.clock.now(), newId: parts.newId };
  await parts.database.transaction(tenantId, (tx) => raiseIncident(tx, told, at));
  parts.logger.warn({ message: 'bundle refused', box, reason: code, detail });
}

type RecordsTaken = SaidByBox & { streams: Map<string, StreamTaken>; personKeys: number };

async function takeRecords(
  parts: BundleParts,
  file: BundleFile,
  places: readonly RecordPlace[],
  box: BundleBox,
): Promise<RecordsTaken> {
  const first = await takeKeys(
    parts,
    file,
    places.filter(({ label }) => label?.kind === 'person-keys'),
    box,
  );
  const taken: RecordsTaken = { streams: new Map(), hello: null, wants: null, personKeys: first.count };
  for (const place of places) {
    const { label } = place;
    if (label?.kind === 'hello') taken.hello = understood(await file.readJson(place));
    if (label?.kind === 'wants') taken.wants = understoodWants(await file.readJson(place));
    if (label?.kind !== 'push') continue;
    const { incarnation, fromSeq, lastSeq, mediaType, encoding } = label;
    const before = taken.streams.get(incarnation) ?? (await streamBefore(parts, box, incarnation, fromSeq));
    const stream = { ...before, lastSeq };
    taken.streams.set(incarnation, stream);
    // What follows one that was not taken cannot follow what is held.
    if (stream.refused !== null) continue;
    const sent = { bytes: await file.read(place), mediaType, encoding };
    const isKnown = lastSeq <= stream.appliedSeq && (await isHeld(parts, box, sent));
    const outcome = isKnown ? { appliedSeq: stream.appliedSeq } : await pushed(parts, box, sent);
    if ('refused' in outcome) stream.refused = { fromSeq, ...outcome.refused };
    else {
      stream.newLines += Math.max(0, outcome.appliedSeq - stream.appliedSeq);
      stream.appliedSeq = Math.max(stream.appliedSeq, outcome.appliedSeq);
    }
  }
  taken.personKeys += (await takeKeys(parts, file, first.later, box)).count;
  return taken;
}

/**
 * As those that come by line: before the lines that tell of their persons, and what there is no room for then once more after
 * them. What finds none even so the box offers again. What is no list of keys is told, and holds up no sale that came with it.
 *
 * @returns how many were taken, and those that are to be tried again
 */
async function takeKeys(
  parts: BundleParts,
  file: BundleFile,
  places: readonly RecordPlace[],
  box: BundleBox,
): Promise<{ count: number; later: RecordPlace[] }> {
  const { database, secrets, clock, newId, logger } = parts;
  const taken = { count: 0, later: [] as RecordPlace[] };
  for (const place of places) {
    const keys = keysIn(await file.readJson(place), secrets.sealingKey);
    if (keys === null) {
      logger.error({ message: 'keys of persons in a bundle are none', branch: box.branchCode, box: box.boxId });
      continue;
    }
    try {
      const at = { nowMs: clock.now(), newId };
      await database.transaction(box.tenantId, (tx) => takePersonKeys(tx, box, keys, secrets.personsMaster, at));
      taken.count += keys.length;
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'person-keys-held') throw error;
      taken.later.push(place);
    }
  }
  return taken;
}

function keysIn(said: unknown, sealingKey: KeyObject): PersonKey[] | null {
  try {
    return openPersonKeys(personKeysOfferSchema.parse(said).sealed, sealingKey);
  } catch {
    return null;
  }
}

async function streamBefore(
  { database }: BundleParts,
  { tenantId, branchId }: BundleBox,
  incarnation: string,
  fromSeq: number,
): Promise<StreamTaken> {
  const [held] = await database.transaction(tenantId, (tx) => findStreams(tx, branchId, [incarnation]));
  return { incarnation, fromSeq, lastSeq: fromSeq, appliedSeq: held?.appliedSeq ?? 0, newLines: 0, refused: null };
}

type Pushed = { appliedSeq: number } | { refused: { code: string; detail: string } };

/** Through the lane of those that come by line: a bundle of a year takes its turn with them. */
async function pushed(parts: BundleParts, box: BundleBox, sent: Parameters<typeof takePush>[2]): Promise<Pushed> {
  try {
    const who = principalOf(box);
    const outcome = await parts.lane.work(box.boxId, sent.bytes.length, () => takePush(parts, who, sent));
    if ('answer' in outcome) return { appliedSeq: outcome.answer.appliedSeq };
    return { refused: { code: outcome.refusal.code, detail: outcome.refusal.detail } };
  } catch (error) {
    // Room and revocation are not of the history.
    if (!(error instanceof Problem) || error.status >= 500 || error.code === 'box-revoked') throw error;
    return { refused: { code: error.code, detail: error.detail } };
  }
}

async function concluded(
  { database, clock, newId, logger }: BundleParts,
  carrier: Carrier,
  { bundle, createdAt }: BundleHeader,
  box: BundleBox,
  { streams, hello, wants, personKeys }: RecordsTaken,
): Promise<BundleTaken> {
  const each = [...streams.values()];
  const taken: Omit<BundleTaken, 'isNewest'> = {
    ...{ bundle, branch: box.branchCode, box: box.boxId, createdAt: new Date(createdAt).toISOString() },
    lines: each.reduce((sum, { fromSeq, lastSeq }) => sum + lastSeq - fromSeq + 1, 0),
    newLines: each.reduce((sum, { newLines }) => sum + newLines, 0),
    ...{ streams: each, personKeys },
  };
  const { lines, newLines } = taken;
  const refused = each.flatMap(({ incarnation, refused }) => (refused ? [`${incarnation} ${refused.code}`] : []));
  const at = { nowMs: clock.now(), newId };
  const detail = { bundle, createdAt: taken.createdAt, lines, newLines, ...(refused.length > 0 && { refused }) };
  const isNewest = await database.transaction(box.tenantId, async (tx) => {
    const isLast = await noteIn(tx, box, { bundle, createdAtMs: createdAt, hello, wants }, at.nowMs);
    const { actor } = carrier;
    const entry = { actor, action: 'bundle.in', subject: `box:${box.boxId}`, branchId: box.branchId, detail };
    await recordAudit(tx, entry, at);
    return isLast;
  });
  logger.log({ message: 'bundle taken in', branch: box.branchCode, box: box.boxId, ...detail });
  return { ...taken, isNewest };
}

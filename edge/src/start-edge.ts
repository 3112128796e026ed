import { accessSync, constants, readFileSync } from 'node:fs';
import type { Server as HttpsServer } from 'node:https';
import os from 'node:os';
import type { LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Clock } from '@branchline/domain/clock.js';
import { createHttpApp, listen } from '@branchline/http/app.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { makeFolder } from '@branchline/http/make-folder.js';
import { applyFetched } from './apply-fetched.js';
import { BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import { APPLIERS } from './appliers.js';
import type { EdgeConfig } from './config.js';
import { EdgeModule } from './edge.module.js';
import type { LongReads } from './long-reads.js';
import { moveReference } from './move-reference.js';
import { enrolBox } from './replicator/enrol-box.js';
import { loadBox, saveBox, type BoxIdentity } from './store/box.js';
import { Reader } from './store/reader.js';
import { Store } from './store/store.js';
import type { ThreadProgram } from './store/thread-program.js';
import type { ThreadedWriter } from './store/threaded-writer.js';
import type { Machine } from './trust/names.js';
import { OwnCertificate } from './trust/own-certificate.js';
import { givenCertificate, type ServedCertificate } from './trust/served-certificate.js';
import { openTrustDoor, type TrustDoor } from './trust/trust-door.js';
import { EDGE_VERSION } from './version.js';

/** Largest JSON body: a hand-over of 200 finished sales of 50 lines. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
const READER_THREAD: ThreadProgram = { url: new URL('./reader-thread.js', import.meta.url) };
const VERIFY_THREAD: ThreadProgram = { url: new URL('./verify-thread.js', import.meta.url) };

export type EdgeParts = {
  config: EdgeConfig;
  logger: LoggerService;
  clock: Clock;
  newId: () => string;
  /** The program of the thread for long reads; the built one unless given. */
  readerThread?: ThreadProgram;
  /** The program of the thread in which the box is verified; the built one unless given. */
  verifyThread?: ThreadProgram;
  /** Writes, once it is given the file; none: this thread writes, by the clock and the ids given. */
  writer?: ThreadedWriter;
  /** The box's names and addresses; the operating system's unless given. */
  machine?: Machine;
  onFatal(error: Error): void;
};

export type RunningEdge = {
  url: string;
  /** Of the plain door to the page that shows how to trust the edge; null: it is shut. */
  trustUrl: string | null;
  certificate: ServedCertificate | null;
  branch: string;
  store: Store;
  close(): Promise<void>;
};

/** A whole edge in this process. @throws EnvironmentFailure with one clear line */
export async function startEdge(parts: EdgeParts): Promise<RunningEdge> {
  const { config, logger, clock, newId, onFatal } = parts;
  const box = await identityOf(config);
  const alarm = (message: string): void => logger.error(message);
  const files = { config, box, alarm, onFatal };
  const store = await (parts.writer === undefined
    ? Store.open({ ...files, appliers: APPLIERS, moveReference, applyFetched, clock, newId })
    : Store.openThreaded(files, parts.writer));
  const thread = parts.readerThread ?? READER_THREAD;
  const reader = new Reader<LongReads>({ file: config.databaseFile, thread, alarm });
  try {
    const tls = await certificateOf(parts, box);
    const { certificate } = tls;
    const { verifyThread = VERIFY_THREAD } = parts;
    const module = EdgeModule.forRoot({ config, store, reader, clock, newId, certificate, verifyThread });
    const app = await createHttpApp(module, {
      name: 'Branchline edge',
      version: EDGE_VERSION,
      bodyBytesMax: BODY_BYTES_MAX,
      streamedBodies: [BUNDLE_MEDIA_TYPE],
      logger,
      ...(tls.https && { https: tls.https, strictTransport: tls.own === null }),
    });
    const port = await listen(app, { host: config.host, port: config.port });
    const door = await openDoors(parts, app, port, tls.own, box);
    return {
      url: urlOf(tls.https ? 'https' : 'http', config.host, port),
      trustUrl: door && urlOf('http', config.host, door.port),
      certificate: tls.certificate,
      branch: box.branchCode,
      store,
      close: async () => {
        await door?.close();
        await app.close();
        await reader.close();
        await store.close();
      },
    };
  } catch (error) {
    await reader.close();
    await store.close();
    throw error;
  }
}

type Tls = {
  certificate: ServedCertificate | null;
  own: OwnCertificate | null;
  https: { cert: string | Buffer; key: string | Buffer } | null;
};

async function certificateOf({ config, logger, clock, machine = os }: EdgeParts, box: BoxIdentity): Promise<Tls> {
  const { tls, dataDir } = config;
  if (tls.kind === 'none') return { certificate: null, own: null, https: null };
  if (tls.kind === 'given') {
    const https = { cert: readGiven(tls.certFile), key: readGiven(tls.keyFile) };
    return { certificate: givenCertificate(tls.certFile, https.cert, clock), own: null, https };
  }
  const own = await OwnCertificate.open({
    dataDir,
    branchCode: box.branchCode,
    configured: tls.names,
    clock,
    machine,
    logger,
  });
  return { certificate: own, own, https: own.served };
}

/** Serves renewed certificates from the moment they exist; connections that stand keep theirs. */
async function openDoors(
  { config }: EdgeParts,
  app: NestFastifyApplication,
  securePort: number,
  own: OwnCertificate | null,
  { branchCode }: BoxIdentity,
): Promise<TrustDoor | null> {
  if (own === null) return null;
  own.onRenewed(() => (app.getHttpServer() as HttpsServer).setSecureContext(own.served));
  if (config.trustPort === undefined) return null;
  try {
    return await openTrustDoor({ host: config.host, port: config.trustPort, certificate: own, branchCode, securePort });
  } catch (error) {
    await app.close();
    throw error;
  }
}

function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function readGiven(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new EnvironmentFailure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function identityOf(config: EdgeConfig): Promise<BoxIdentity> {
  const known = loadBox(config.dataDir);
  if (known !== null) return known;
  if (config.enrolmentCode === undefined) {
    throw new EnvironmentFailure(`no box is enrolled in ${config.dataDir}: give its code in EDGE_ENROLMENT_CODE`);
  }
  // Before the code is spent: a folder that cannot be written would lose the answer.
  makeDataDir(config.dataDir);
  const box = await enrolBox(config.hubUrl, config.enrolmentCode, config.requestTimeoutMs);
  saveBox(config.dataDir, box);
  return box;
}

function makeDataDir(dataDir: string): void {
  try {
    makeFolder(dataDir, 0o700);
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    throw new EnvironmentFailure(`EDGE_DATA ${dataDir}: ${(error as Error).message}`);
  }
}

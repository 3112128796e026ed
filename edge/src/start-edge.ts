import { accessSync, constants, mkdirSync } from 'node:fs';
import type { LoggerService } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import { createHttpApp, listen } from '@branchline/http/app.js';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { APPLIERS } from './appliers.js';
import type { EdgeConfig } from './config.js';
import { EdgeModule } from './edge.module.js';
import { moveReference } from './move-reference.js';
import { enrolBox } from './replicator/enrol-box.js';
import { loadBox, saveBox, type BoxIdentity } from './store/box.js';
import { Store } from './store/store.js';
import { EDGE_VERSION } from './version.js';

/** Largest JSON body: a hand-over of 200 finished sales of 50 lines. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export type EdgeParts = {
  config: EdgeConfig;
  logger: LoggerService;
  clock: Clock;
  newId: () => string;
  https?: { cert: Buffer; key: Buffer } | undefined;
  onFatal(error: Error): void;
};

export type RunningEdge = { url: string; branch: string; store: Store; close(): Promise<void> };

/** A whole edge in this process. @throws EnvironmentFailure with one clear line */
export async function startEdge(parts: EdgeParts): Promise<RunningEdge> {
  const { config, logger, clock, newId, https, onFatal } = parts;
  const box = await identityOf(config);
  const alarm = (message: string): void => logger.error(message);
  const store = await Store.open({ config, box, appliers: APPLIERS, moveReference, clock, newId, alarm, onFatal });
  try {
    const app = await createHttpApp(EdgeModule.forRoot({ config, store, clock, newId }), {
      name: 'Branchline edge',
      version: EDGE_VERSION,
      bodyBytesMax: BODY_BYTES_MAX,
      logger,
      ...(https && { https }),
    });
    const port = await listen(app, { host: config.host, port: config.port });
    const scheme = https ? 'https' : 'http';
    return {
      url: `${scheme}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
      branch: box.branchCode,
      store,
      close: async () => {
        await app.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
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
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    throw new EnvironmentFailure(`EDGE_DATA ${dataDir}: ${(error as Error).message}`);
  }
}

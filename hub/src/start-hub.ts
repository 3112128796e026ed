import { Logger, type LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PasswordHasher } from '@branchline/access/password.js';
import type { Clock } from '@branchline/domain/clock.js';
import { createHttpApp, listen } from '@branchline/http/app.js';
import { BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { PUSH_BODY_BYTES_MAX, PUSH_MEDIA_TYPE } from '@branchline/replication/push.js';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { v7 } from 'uuid';
import { openDataSource } from './database/database.js';
import { renewHubEpoch } from './database/hub-epoch.js';
import { migrate } from './database/migrate.js';
import { Database, type Announcement } from './database/unit-of-work.js';
import { HubModule } from './hub.module.js';
import type { HubConfig } from './config.js';
import { HubSecrets } from './secrets.js';
import { BulkThread, type BulkProgram } from './sync/bulk/bulk-thread.js';

export const HUB_VERSION = '0.1.0';
const JSON_BODY_BYTES_MAX = 1024 * 1024;
export const IMPORT_BODY_BYTES_MAX = 64 * 1024 * 1024;

export type RunningHub = {
  url: string;
  app: NestFastifyApplication;
  database: Database;
  close(): Promise<void>;
};

/**
 * Opens, migrates and serves. Whatever was opened is closed again when a later step fails.
 * @param bulkProgram applies long pushes in a thread; absent: there is none, and they are applied where they come in
 */
export async function startHub(
  config: HubConfig,
  clock: Clock,
  logger?: LoggerService,
  bulkProgram?: BulkProgram,
): Promise<RunningHub> {
  const secrets = HubSecrets.open(config.secretsDir);
  const dataSource = await openDataSource(config.databaseUrl);
  const database = new Database(dataSource, Math.random);
  let bulk: BulkThread | undefined;
  try {
    await migrate(dataSource);
    await renewHubEpoch(database, v7);
    bulk = bulkProgram && startBulk(config, database, bulkProgram);
    const module = HubModule.forRoot({
      database,
      secrets,
      clock,
      newId: v7,
      randomBytes,
      passwords: new PasswordHasher(),
      snapshotPlace: config.snapshotDir ?? tmpdir(),
      trial: config.trial,
      pushRestMs: config.pushRestMs,
      bulk,
    });
    const app = await createHttpApp(module, {
      name: 'Branchline hub',
      version: HUB_VERSION,
      bodyBytesMax: JSON_BODY_BYTES_MAX,
      rawBodyBytesMax: {
        'text/csv': IMPORT_BODY_BYTES_MAX,
        [PUSH_MEDIA_TYPE]: PUSH_BODY_BYTES_MAX,
        [PACKED_PUSH_MEDIA_TYPE]: PUSH_BODY_BYTES_MAX,
      },
      streamedBodies: [BUNDLE_MEDIA_TYPE],
      https: config.https,
      logger,
    });
    const port = await listen(app, config);
    const close = async (): Promise<void> => {
      await app.close();
      await bulk?.close();
      await database.close();
    };
    return { url: `${config.https ? 'https' : 'http'}://${config.host}:${port}`, app, database, close };
  } catch (error) {
    await bulk?.close();
    await database.close();
    throw error;
  }
}

function startBulk({ databaseUrl }: HubConfig, database: Database, program: BulkProgram): BulkThread {
  const announce = (announcement: Announcement): void => database.announce(announcement);
  return new BulkThread({ databaseUrl, program, announce, logger: new Logger('sync') });
}

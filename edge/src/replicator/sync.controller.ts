import { Controller, Get, Header, HttpCode, Inject, Post } from '@nestjs/common';
import { Allow } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { EDGE_CONFIG, type EdgeConfig } from '../config.js';
import type { LongReads } from '../long-reads.js';
import { JSON_TYPE, type JsonText } from '../store/read-job.js';
import { Reader } from '../store/reader.js';
import { Store } from '../store/store.js';
import { bundlesNoted, type BundlesNoted } from './bundle-noted.js';
import { Replicator } from './replicator.js';
import { readSyncLog } from './sync-log.js';
import { toldConflicts, toldQuarantine, type ToldConflicts, type ToldQuarantine } from './work-lists.js';
import { syncStatus, type QueuedLine, type SyncStatus } from './sync-status.js';

const listQuery = z.strictObject(pageQuery);
type ListQuery = z.infer<typeof listQuery>;

const logKey = z.tuple([z.int().min(1)]);

type LoggedItem = { at: string; level: string; event: string; detail: string };

/** Replication as the people of the store see it. */
@documented('sync', { bearer: true })
@Controller('v1/sync')
export class SyncController {
  constructor(
    private readonly store: Store,
    private readonly reader: Reader<LongReads>,
    private readonly replicator: Replicator,
    @Inject(EDGE_CONFIG) private readonly config: EdgeConfig,
  ) {}

  @Get('status')
  @Allow({ by: ['operator', 'device'], ability: 'sync.read' })
  status(): SyncStatus & { bundles: BundlesNoted } {
    const { reads } = this.store;
    return { ...syncStatus(reads, this.replicator.figures()), bundles: bundlesNoted(reads, this.config.dataDir) };
  }

  @Get('queue')
  @Allow({ by: 'operator', ability: 'sync.read' })
  @Header('content-type', JSON_TYPE)
  queue(@query(listQuery) page: ListQuery): Promise<JsonText<Page<QueuedLine>>> {
    return this.reader.read('list-queue', page);
  }

  @Get('log')
  @Allow({ by: 'operator', ability: 'sync.read' })
  log(@query(listQuery) { limit, after }: ListQuery): Page<LoggedItem> {
    const beforeNo = after === undefined ? null : decodeCursor(logKey, after)[0];
    return pageOf(
      readSyncLog(this.store.reads, limit + 1, beforeNo),
      limit,
      ({ no }) => [no],
      ({ at, level, event, detail }) => ({ at: new Date(at).toISOString(), level, event, detail }),
    );
  }

  /** What head office could not count of this branch, the oldest first. */
  @Get('quarantine')
  @Allow({ by: 'operator', ability: 'sync.read' })
  quarantine(): ToldQuarantine {
    return toldQuarantine(this.store.reads);
  }

  /** What head office disputes of this branch, and what was decided lately. */
  @Get('conflicts')
  @Allow({ by: 'operator', ability: 'sync.read' })
  conflicts(): ToldConflicts {
    return toldConflicts(this.store.reads);
  }

  @Post('force')
  @HttpCode(202)
  @Allow({ by: 'operator', ability: 'sync.force' })
  force(): { started: true } {
    this.replicator.force();
    return { started: true };
  }
}

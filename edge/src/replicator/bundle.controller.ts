import { Body, Controller, Get, HttpCode, Inject, Logger, Post, Res } from '@nestjs/common';
import { Allow } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { documented } from '@branchline/http/documented.js';
import { queryBool } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { query } from '@branchline/http/schema.js';
import { spool, streamedBody } from '@branchline/http/spool.js';
import { BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { CLOCK, NEW_ID } from '../clock.js';
import { EDGE_CONFIG, type EdgeConfig } from '../config.js';
import { FEED_ROWS } from '../feed-appliers.js';
import { Store } from '../store/store.js';
import { EDGE_VERSION } from '../version.js';
import { takeBundle, type BundleTaken } from './bundle-in.js';
import { noteBundleOut } from './bundle-noted.js';
import { bundleOut, type BundleOut } from './bundle-out.js';
import { Replicator } from './replicator.js';

const outQuery = z.strictObject({ whole: queryBool.default(false) });
const RETRY_AFTER_S = 30;

/** For a store with no line: what it wrote, to be carried to head office, and what was carried from there. */
@documented('sync', { bearer: true })
@Controller('v1/sync/bundle')
export class BundleController {
  private readonly logger = new Logger('bundles');
  private taking = false;

  constructor(
    private readonly store: Store,
    private readonly replicator: Replicator,
    @Inject(EDGE_CONFIG) private readonly config: EdgeConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: () => string,
  ) {}

  @Get()
  @Allow({ by: 'operator', ability: 'sync.force' })
  async out(@query(outQuery) { whole }: z.infer<typeof outQuery>, @Res() reply: FastifyReply): Promise<void> {
    const { store, clock, newId } = this;
    const { box, reads: tx } = store;
    const { out, bytes } = bundleOut({ tx, box, version: EDGE_VERSION, clock, newId }, whole);
    const name = `${box.branchCode}-${out.bundle}-up.bundle`;
    await reply
      .type(BUNDLE_MEDIA_TYPE)
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(this.noted(out, bytes), { objectMode: false }));
  }

  @Post()
  @HttpCode(200)
  @Allow({ by: 'operator', ability: 'sync.force' })
  async take(@Body() body: unknown): Promise<BundleTaken> {
    const source = streamedBody(body, BUNDLE_MEDIA_TYPE);
    if (this.taking)
      throw problem('busy', 'A bundle is being taken in.', { headers: { 'retry-after': `${RETRY_AFTER_S}` } });
    this.taking = true;
    try {
      const spooled = await spool(source, this.config.dataDir, BUNDLE_BYTES_MAX);
      try {
        const { store, clock, replicator } = this;
        const alarm = (message: string): void => this.logger.error(message);
        const parts = { store, clock, alarm, kinds: FEED_ROWS, signal: replicator.stopSignal };
        return await replicator.withFeedAtRest(() => takeBundle(parts, spooled.path));
      } finally {
        await spooled.remove();
      }
    } finally {
      this.taking = false;
    }
  }

  private async *noted(out: BundleOut, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    yield* bytes;
    noteBundleOut(this.config.dataDir, out);
    const { bundle, lines, damaged, isCut } = out;
    this.logger.log({ message: 'bundle handed out', bundle, lines, isCut });
    for (const message of damaged) this.logger.error(`not in bundle ${bundle}, nor anything behind it: ${message}`);
  }
}

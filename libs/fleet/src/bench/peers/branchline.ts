import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import pg from 'pg';
import type { Chain } from '../../chain/chain.js';
import { endpointOf } from '../../chain/edge-box.js';
import type { CopiedDatabase } from '../../chaos/copied-database.js';
import type { FaultProxy } from '../../fault-proxy.js';
import { handInBacklog } from '../backlog/backlog-sales.js';
import type { TradingEdge } from '../edge/trading-edge.js';
import { lossOf } from './loss.js';
import type { Loss, Subject } from './subject.js';

const DAYS = 30;
const decompress = promisify(brotliDecompress);

/** A real edge and a real hub on a durable PostgreSQL, with the rhythms that they come with. */
export class Branchline implements Subject {
  readonly name = 'Branchline';
  readonly durability = 'fsync at both ends: a power cut loses none';
  readonly idleS = 0;
  readonly trialSales: number;
  private readonly ids: string[] = [];
  private fills = 0;

  constructor(
    private readonly chain: Chain,
    private readonly database: CopiedDatabase,
    private readonly edge: TradingEdge,
    private readonly parts: { dataDir: string; trialSales: number },
  ) {
    this.trialSales = parts.trialSales;
  }

  get line(): FaultProxy {
    return this.edge.box.hubLine;
  }

  async fill(sales: number, signal: AbortSignal): Promise<void> {
    this.line.cut();
    this.fills += 1;
    const ids = await handInBacklog(this.edge, { sales, days: DAYS, seed: this.fills }, signal);
    for (const id of ids) this.ids.push(id);
  }

  /** Started anew, as its peers are: after a long cut it would wait for its next try. */
  async connect(): Promise<void> {
    const { box } = this.edge;
    await box.shutDown();
    this.line.restore();
    await box.launch();
  }

  async countAtServer(): Promise<number> {
    const [row] = await this.ask<{ count: number }>('SELECT count(*)::int AS count FROM sale');
    return row?.count ?? 0;
  }

  async killClient(): Promise<void> {
    await this.edge.box.kill();
    await this.edge.box.launch();
  }

  async killServer(): Promise<void> {
    this.chain.hub.kill('SIGKILL');
    await this.chain.hubExited();
    await this.startHub();
  }

  async copyServer(): Promise<void> {
    await this.chain.hub.stop();
    await this.database.copyTo(this.copy);
    await this.startHub();
  }

  async putServerBack(): Promise<void> {
    await this.chain.hub.stop();
    await this.database.putBack(this.copy);
    await this.startHub();
  }

  /** By its rows, and by what reports count: a sale may be one row and be counted twice. */
  async judge(): Promise<Loss> {
    const rows = await this.ask<{ id: string }>('SELECT id FROM sale');
    const [counted] = await this.ask<{ baskets: number }>(
      'SELECT coalesce(sum(baskets), 0)::int AS baskets FROM sales_by_hour',
    );
    const { lost, doubled } = lossOf(
      this.ids,
      rows.map(({ id }) => id),
    );
    const miscounted = (counted?.baskets ?? 0) - rows.length;
    return { lost: lost + Math.max(0, -miscounted), doubled: doubled + Math.max(0, miscounted) };
  }

  /** The sales as they stand in the hub's archive, one document a line: what the peers get. @returns how many */
  async writeDocuments(file: string): Promise<number> {
    const out = createWriteStream(file);
    let count = 0;
    const chunks = await this.ask<{ body: Buffer }>(
      'SELECT body FROM journal_chunk ORDER BY branch_id, incarnation, first_seq',
    );
    for (const { body } of chunks) {
      for (const text of (await decompress(body)).toString('utf8').split('\n')) {
        if (text === '') continue;
        const line = JSON.parse(text) as { kind: string; body: unknown };
        if (line.kind !== 'sale') continue;
        count += 1;
        if (!out.write(`${JSON.stringify(line.body)}\n`)) await once(out, 'drain');
      }
    }
    out.end();
    await once(out, 'finish');
    return count;
  }

  /** What was started for it is of the chain, and ends with it. */
  async close(): Promise<void> {
    this.line.cut();
  }

  private get copy(): string {
    return join(this.parts.dataDir, 'copy-of-postgres');
  }

  /** It listens elsewhere each time. */
  private async startHub(): Promise<void> {
    await this.chain.launchHub();
    this.line.retarget(endpointOf(this.chain.hub.url));
  }

  private async ask<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.database.url });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }
}

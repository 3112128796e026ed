import pg from 'pg';
import { type BenchContext, type BenchRow } from '../bench.js';
import {
  copyRows,
  createRowTables,
  type Layout,
  layoutOf,
  type PushRows,
  type RowsSchema,
  rowsOfPush,
} from './bare-rows.js';
import type { WrittenPush } from './branch-journal.js';
import { type CpuTimes, cpuTimesUs, spentUs, withChildren } from './cpu-time.js';
import { type IngestChain, withIngestChain } from './ingest-chain.js';
import { type IngestLoad, type Measured, rowsOf, type Spent } from './ingest-figures.js';
import { compressed } from './pushing-box.js';

/** 1,000 sales a push is what those of a backlog grow to. */
const LOAD: IngestLoad = { boxes: 4, salesAPush: 1_000, pushesARound: 5 };

type Subject = keyof Measured;
const SUBJECTS: readonly Subject[] = ['hub', 'bareKeyed', 'bare', 'laidKeyed'];
const SCHEMAS = { bareKeyed: 'bare_keyed', bare: 'bare', laidKeyed: 'laid_keyed' } as const satisfies Record<
  Exclude<Subject, 'hub'>,
  RowsSchema
>;
type RowsOfBoxes = Record<Layout, PushRows[][]>;

/**
 * B-3: what a hub takes in over HTTP, next to COPY of the bare rows of such sales into the same PostgreSQL, by as many
 * connections in as many commits. Sales are made, signed and compressed before the clock starts, and so are the rows.
 */
export function ingestBench(context: BenchContext): Promise<BenchRow[]> {
  return withIngestChain(context, LOAD.boxes, async (chain) => {
    const clients = await connect(chain.database.url, LOAD.boxes);
    try {
      return await new IngestBench(context, chain, clients).measure();
    } finally {
      for (const client of clients) await client.end();
    }
  });
}

class IngestBench {
  private readonly client: pg.Client;
  /** Of the sales that the hub took in before: what is copied next. By box. */
  private rows: RowsOfBoxes = { bare: [], laid: [] };

  constructor(
    private readonly context: BenchContext,
    private readonly chain: IngestChain,
    private readonly clients: readonly pg.Client[],
  ) {
    const [client] = clients;
    if (!client) throw new Error('no connection');
    this.client = client;
  }

  async measure(): Promise<BenchRow[]> {
    const { context, client } = this;
    context.note(await settingsOf(client));
    for (const schema of Object.values(SCHEMAS)) await createRowTables(client, schema);
    context.note('warming up');
    await this.pushAll();
    const measured: Measured = { hub: [], bareKeyed: [], bare: [], laidKeyed: [] };
    for (let round = 0; round < context.rounds; round += 1) {
      context.signal.throwIfAborted();
      const { rows } = this;
      for (let turn = 0; turn < SUBJECTS.length; turn += 1) {
        const subject = SUBJECTS[(round + turn) % SUBJECTS.length] ?? 'hub';
        const spent = subject === 'hub' ? await this.pushAll() : await this.copyAll(SCHEMAS[subject], rows);
        measured[subject].push(spent);
        const { seconds, sales } = spent;
        context.note(`round ${round + 1} of ${context.rounds}: ${subject} ${Math.round(sales / seconds)} sales/s`);
      }
    }
    return rowsOf(LOAD, measured);
  }

  private async pushAll(): Promise<Spent> {
    const work = await Promise.all(
      this.chain.boxes.map(async ({ box, journal }) => {
        const pushes = Array.from({ length: LOAD.pushesARound }, () => journal.nextPush(LOAD.salesAPush));
        await box.prove();
        return { box, pushes, bodies: await Promise.all(pushes.map(({ body }) => compressed(body))) };
      }),
    );
    const spent = await this.spending('public', async () => {
      await Promise.all(
        work.map(async ({ box, pushes, bodies }) => {
          for (const [at, body] of bodies.entries()) assertTaken(await box.push(body), pushes[at]);
        }),
      );
    });
    this.rows = { bare: [], laid: [] };
    for (const layout of ['bare', 'laid'] as const) {
      for (const { box, pushes } of work) {
        const ofBox: PushRows[] = [];
        for (const push of pushes) ofBox.push(await rowsOfPush(this.client, layout, push, box.journalBox));
        this.rows[layout].push(ofBox);
      }
    }
    return spent;
  }

  private copyAll(schema: RowsSchema, rows: RowsOfBoxes): Promise<Spent> {
    return this.spending(schema, async () => {
      await Promise.all(
        this.clients.map(async (client, at) => {
          for (const ofPush of rows[layoutOf(schema)][at] ?? []) await copyRows(client, schema, ofPush);
        }),
      );
    });
  }

  /** Each begins just after a checkpoint: to all it falls to write each page whole the first time. */
  private async spending(schema: string, work: () => Promise<void>): Promise<Spent> {
    const { client } = this;
    await client.query('CHECKPOINT');
    const before = { wal: await walPosition(client), size: await sizeOf(client, schema), cpu: this.cpuTimes() };
    const startedMs = performance.now();
    await work();
    const seconds = (performance.now() - startedMs) / 1000;
    const cpu = this.cpuTimes();
    return {
      seconds,
      sales: LOAD.boxes * LOAD.pushesARound * LOAD.salesAPush,
      walBytes: (await walPosition(client)) - before.wal,
      tableBytes: (await sizeOf(client, schema)) - before.size,
      postgresUs: spentUs(before.cpu.postgres, cpu.postgres),
      hubUs: spentUs(before.cpu.hub, cpu.hub),
    };
  }

  private cpuTimes(): { hub: CpuTimes; postgres: CpuTimes } {
    const { hubPid, database } = this.chain;
    return {
      hub: cpuTimesUs([hubPid]),
      postgres: database.pid === null ? null : cpuTimesUs(withChildren(database.pid)),
    };
  }
}

function assertTaken(answer: { appliedSeq: number; quarantined: unknown[] }, push: WrittenPush | undefined): void {
  const lastSeq = push?.lines.at(-1)?.seq;
  if (answer.appliedSeq !== lastSeq || answer.quarantined.length > 0)
    throw new Error(`the hub took lines to ${answer.appliedSeq} of ${lastSeq}, ${answer.quarantined.length} set aside`);
}

async function connect(url: string, count: number): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url }));
  for (const client of clients) await client.connect();
  return clients;
}

async function walPosition(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(`SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes`);
  return Number(rows[0]?.bytes);
}

async function sizeOf(client: pg.Client, schema: string): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(c.oid)) AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r'`,
    [schema],
  );
  return Number(rows[0]?.bytes);
}

const SETTINGS = [
  'server_version',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'shared_buffers',
  'max_wal_size',
];

async function settingsOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    'SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name',
    [SETTINGS],
  );
  return `PostgreSQL: ${rows.map(({ name, setting }) => `${name} = ${setting}`).join(', ')}`;
}

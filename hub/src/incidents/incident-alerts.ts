import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import { Gauge, type Registry } from 'prom-client';
import { Database, type Announcement } from '../database/unit-of-work.js';
import { openedIncident } from './raise-incident.js';

type OpenRow = { code: string; open: number };

/** What is open is a figure for the scraper, and what is opened a line on the log, once it is committed. */
@Injectable()
export class IncidentAlerts implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('incidents');
  private stopListening: () => void = () => undefined;
  private telling: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    @Inject(METRICS_REGISTRY) registry: Registry,
  ) {
    new Gauge({
      name: 'branchline_incidents_open',
      help: 'Incidents that nobody has closed.',
      labelNames: ['code'],
      registers: [registry],
      async collect() {
        this.reset();
        // Without the database there is no figure, rather than no figures at all.
        const rows = await database.asOwner<OpenRow>('SELECT * FROM branchline_open_incidents()').catch(() => []);
        for (const { code, open } of rows) this.set({ code }, open);
      },
    });
  }

  onApplicationBootstrap(): void {
    this.stopListening = this.database.onAnnouncement((announcement) => {
      this.telling = this.telling.then(() => this.tell(announcement));
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.stopListening();
    await this.telling;
  }

  private async tell({ tenantId, topic }: Announcement): Promise<void> {
    const id = openedIncident(topic);
    if (id === null) return;
    try {
      const incident = await this.database.transaction(tenantId, (tx) =>
        tx.one<Record<string, unknown>>(
          'SELECT i.id, b.code AS branch, i.code, i.key, i.detail FROM incident i LEFT JOIN branch b ON b.id = i.branch_id WHERE i.id = $1',
          [id],
        ),
      );
      this.logger.error({ message: 'an incident', tenantId, ...incident });
    } catch (error) {
      this.logger.error({ message: 'an incident that cannot be read', tenantId, id, error });
    }
  }
}

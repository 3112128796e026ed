import { Global, Module, type DynamicModule } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import { CLOCK, NEW_ID } from '../clock.js';
import { EDGE_CONFIG, type EdgeConfig } from '../config.js';
import type { ReadJobs } from './read-job.js';
import { Reader } from './reader.js';
import { Store } from './store.js';

export type StoreModuleParts = {
  config: EdgeConfig;
  store: Store;
  reader: Reader<ReadJobs>;
  clock: Clock;
  newId: () => string;
};

/** What every capability of the edge may ask for: the store, its reader, the clock, ids, the configuration. Opened by main, not here. */
@Global()
@Module({})
export class StoreModule {
  static forRoot({ config, store, reader, clock, newId }: StoreModuleParts): DynamicModule {
    const providers = [
      { provide: Store, useValue: store },
      { provide: Reader, useValue: reader },
      { provide: EDGE_CONFIG, useValue: config },
      { provide: CLOCK, useValue: clock },
      { provide: NEW_ID, useValue: newId },
    ];
    return { module: StoreModule, providers, exports: providers };
  }
}

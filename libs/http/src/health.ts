import {
  Controller,
  Get,
  Inject,
  Module,
  Res,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { documented } from './documented.js';
import { openRoute } from './open-route.js';

/** `ready`, with whatever figures help the person on call: queue, replication, database. */
export type Readiness = { ready: boolean } & Record<string, unknown>;
export type ReadinessCheck = () => Readiness | Promise<Readiness>;

export const READINESS_CHECK = Symbol('readiness check');

@documented('health')
@Controller('health')
class HealthController {
  constructor(@Inject(READINESS_CHECK) private readonly check: ReadinessCheck) {}

  @Get('live')
  @openRoute('asked by the supervisor of the process')
  live(): { live: true } {
    return { live: true };
  }

  @Get('ready')
  @openRoute('asked by load balancers and by the till before sign-in')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.check();
    reply.code(readiness.ready ? 200 : 503);
    return readiness;
  }
}

export type HealthModuleOptions = Pick<ModuleMetadata, 'imports'> &
  Pick<FactoryProvider<ReadinessCheck>, 'inject' | 'useFactory'>;

@Module({})
export class HealthModule {
  /** `HealthModule.forRoot({ imports: [StoreModule], inject: [Writer], useFactory: (writer) => () => ({ ready: … }) })` */
  static forRoot({ imports = [], inject = [], useFactory }: HealthModuleOptions): DynamicModule {
    return {
      module: HealthModule,
      imports,
      controllers: [HealthController],
      providers: [{ provide: READINESS_CHECK, inject, useFactory }],
    };
  }
}

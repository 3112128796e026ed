import { Controller, Get, Header, Inject, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { undocumented } from './documented.js';
import { openRoute } from './open-route.js';

/** Inject this to add counters: `new Counter({ name, help, registers: [registry] })`. Never prom-client's global one. */
export const METRICS_REGISTRY = Symbol('metrics registry');

@undocumented()
@Controller('metrics')
class MetricsController {
  constructor(@Inject(METRICS_REGISTRY) private readonly registry: Registry) {}

  @Get()
  @openRoute('figures only, for the scraper on the same network')
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  read(): Promise<string> {
    return this.registry.metrics();
  }
}

/** From a point read to what a till still waits for. */
const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

@Module({})
export class MetricsModule implements OnModuleInit {
  constructor(
    @Inject(METRICS_REGISTRY) private readonly registry: Registry,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost<FastifyAdapter>,
  ) {}

  /** Times every request, by the pattern of its route: addresses as they come would be labels without end. */
  onModuleInit(): void {
    const duration = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: DURATION_BUCKETS_S,
      registers: [this.registry],
    });
    this.host.httpAdapter.getInstance().addHook('onResponse', (request, reply, done) => {
      const route = request.routeOptions.url ?? 'none';
      duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
      done();
    });
  }

  /** One registry an application: several edges may live in one process. */
  static forRoot(registry?: Registry): DynamicModule {
    return {
      module: MetricsModule,
      global: true,
      controllers: [MetricsController],
      providers: [{ provide: METRICS_REGISTRY, useFactory: () => registry ?? processRegistry() }],
      exports: [METRICS_REGISTRY],
    };
  }
}

/** With the figures of the process itself: memory, event loop, garbage collection. */
export function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

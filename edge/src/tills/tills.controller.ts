import { Controller, Inject, Post } from '@nestjs/common';
import { newOpaqueToken } from '@branchline/access/opaque-token.js';
import { AllowAny } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { documented } from '@branchline/http/documented.js';
import { text } from '@branchline/http/fields.js';
import { Problem } from '@branchline/http/problem.js';
import { body } from '@branchline/http/schema.js';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { CLOCK, NEW_ID } from '../clock.js';
import { Store } from '../store/store.js';
import { enrolDevice, type EnrolledDevice } from './enrol-device.js';
import { FailureLimit } from './failure-limit.js';

const enrolInput = z.strictObject({ code: text(100), name: text(100) });
type EnrolInput = z.output<typeof enrolInput>;

const FAILURES_A_MINUTE_MAX = 600;

@documented('tills')
@Controller('v1/devices')
export class TillsController {
  private readonly limit: FailureLimit;

  constructor(
    private readonly store: Store,
    @Inject(CLOCK) clock: Clock,
    @Inject(NEW_ID) private readonly newId: () => string,
  ) {
    this.limit = new FailureLimit(clock, FAILURES_A_MINUTE_MAX);
  }

  @Post('enrol')
  @AllowAny('the one-time code is the proof; a browser has no other yet')
  async enrol(@body(enrolInput) { code, name }: EnrolInput): Promise<EnrolledDevice> {
    this.limit.assertBelow();
    const device = { code, name, deviceId: this.newId(), token: newOpaqueToken('bld', randomBytes) };
    try {
      return await this.store.writer.execute(enrolDevice, device, { actor: null, device: device.deviceId });
    } catch (error) {
      if (error instanceof Problem && error.code === 'code-invalid') this.limit.count();
      throw error;
    }
  }
}

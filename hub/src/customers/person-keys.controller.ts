import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import { body } from '@branchline/http/schema.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import {
  openPersonKeys,
  personKeysOfferSchema,
  personKeysWantedSchema,
  sealPersonKeys,
  type PersonKey,
  type PersonKeysGiven,
} from '@branchline/replication/person-keys.js';
import type { z } from 'zod';
import { Database } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { takePersonKeys } from './person-key-offers.js';
import { findPersonKeys } from './person-keys.js';

/** For boxes only. Keys of persons pass here and nowhere else, each time sealed to the one who is to have them. */
@ApiTags('sync')
@ApiBearerAuth()
@Controller('sync/v1/person-keys')
export class PersonKeysController {
  constructor(
    private readonly database: Database,
    private readonly secrets: HubSecrets,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow({ by: 'box' })
  sealingKey(): { sealingKey: string } {
    return { sealingKey: rawPublicKey(this.secrets.sealingKey) };
  }

  @Post()
  @HttpCode(200)
  @Allow({ by: 'box' })
  async take(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @body(personKeysOfferSchema) { sealed }: z.infer<typeof personKeysOfferSchema>,
  ): Promise<{ taken: number; erased: string[] }> {
    const keys = this.opened(sealed);
    const { personsMaster } = this.secrets;
    const erased = await this.database.transaction(box.tenantId, (tx) =>
      takePersonKeys(tx, box, keys, personsMaster, { nowMs: this.clock.now() }),
    );
    return { taken: keys.length - erased.length, erased };
  }

  @Post('wanted')
  @HttpCode(200)
  @Allow({ by: 'box' })
  async give(
    @CurrentPrincipal('box') box: PrincipalOf<'box'>,
    @body(personKeysWantedSchema) { persons }: z.infer<typeof personKeysWantedSchema>,
  ): Promise<PersonKeysGiven> {
    const { personsMaster } = this.secrets;
    return this.database.transaction(box.tenantId, async (tx) => {
      const place = await tx.one<{ region: string; sealingKey: string }>(PLACE_OF_BOX, [box.boxId]);
      const { keys, gone, erased } = await findPersonKeys(tx, place.region, persons, personsMaster);
      return { sealed: keys.length === 0 ? null : sealPersonKeys(keys, place.sealingKey), gone, erased };
    });
  }

  private opened(sealed: string): PersonKey[] {
    try {
      return openPersonKeys(sealed, this.secrets.sealingKey);
    } catch {
      throw problem('invalid-field', 'sealed: these are no keys that were sealed to this hub');
    }
  }
}

const PLACE_OF_BOX = `
SELECT b.region, x.sealing_key AS "sealingKey" FROM box x JOIN branch b ON b.id = x.branch_id WHERE x.id = $1`;

import { Module } from '@nestjs/common';
import { PasswordHasher } from '@branchline/access/password.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID, PERSON_AUTHENTICATOR, RANDOM_BYTES } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { AuthController, SIGN_IN_PARTS } from './auth.controller.js';
import { PeopleController } from './people.controller.js';
import type { SignInParts } from './sign-in.js';
import { SignInThrottle } from './sign-in-throttle.js';
import { PersonTokens } from './tokens.js';

@Module({
  controllers: [AuthController, PeopleController],
  providers: [
    {
      provide: PersonTokens,
      inject: [HubSecrets, CLOCK],
      useFactory: (secrets: HubSecrets, clock: Clock) => new PersonTokens(secrets, clock),
    },
    {
      provide: SIGN_IN_PARTS,
      inject: [Database, CLOCK, NEW_ID, RANDOM_BYTES, PasswordHasher, PersonTokens],
      useFactory: (
        database: Database,
        clock: Clock,
        newId: NewId,
        randomBytes: SignInParts['randomBytes'],
        passwords: PasswordHasher,
        tokens: PersonTokens,
      ): SignInParts => ({
        database,
        clock,
        newId,
        randomBytes,
        passwords,
        tokens,
        throttle: new SignInThrottle(clock),
      }),
    },
    {
      provide: PERSON_AUTHENTICATOR,
      inject: [PersonTokens, Database],
      useFactory: (tokens: PersonTokens, database: Database) => tokens.authenticator(database),
    },
  ],
  exports: [PERSON_AUTHENTICATOR],
})
export class PeopleModule {}

import 'reflect-metadata';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { serveBulkPushes } from './sync/bulk/serve-bulk-pushes.js';

serveBulkPushes({ clock: systemClock, newId: () => v7(), random: Math.random });

import { Module } from '@nestjs/common';
import { IncidentAlerts } from './incident-alerts.js';
import { IncidentsController } from './incidents.controller.js';

@Module({ controllers: [IncidentsController], providers: [IncidentAlerts] })
export class IncidentsModule {}

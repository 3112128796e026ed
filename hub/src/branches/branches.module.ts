import { Module } from '@nestjs/common';
import { BranchesController } from './branches.controller.js';
import { PlacesController } from './places.controller.js';
import { StaffController } from './staff.controller.js';

@Module({ controllers: [BranchesController, PlacesController, StaffController] })
export class BranchesModule {}

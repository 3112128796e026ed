import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity()
export class BranchRow {
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') tenantId!: string;
  @Column('text') code!: string;
  @Column('text') name!: string;
  @Column('text') region!: string;
  @Column('text') priceZone!: string;
  @Column('text') assortment!: string;
  @Column('text') timeZone!: string;
  @Column('text') currency!: string;
  @Column('integer') cutOffMinutes!: number;
  @Column('text') taxRounding!: 'line' | 'receipt';
  @Column('text', { nullable: true }) defaultTaxClass!: string | null;
  @Column('integer') nextEpoch!: number;
  @Column('timestamptz') createdAt!: Date;
}

import type { Applier } from '../store/command.js';

export const applyDaySeal: Applier<'day-seal'> = (tx, line, place) => {
  const { businessDate, sealedAt } = line.body;
  tx.run(
    'INSERT INTO day_seal (business_date, sealed_at, position) VALUES (?, ?, ?)',
    businessDate,
    sealedAt,
    place.position,
  );
};

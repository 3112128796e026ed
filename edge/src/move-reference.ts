import type { ReferenceMover } from './store/command.js';

/** Only sales show where they stand in the journal; the other rows hold no reference that a new place would change. */
export const moveReference: ReferenceMover = (tx, line, place) => {
  if (line.kind !== 'sale') return;
  tx.run('UPDATE sale SET incarnation_no = ?, seq = ? WHERE id = ?', place.incarnationNo, place.seq, line.key);
};

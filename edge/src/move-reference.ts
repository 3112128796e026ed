import type { ReferenceMover } from './store/command.js';

/**
 * Only sales show where they stand in the journal; the other rows hold no reference that a new place would change. A line
 * that told an id with other content than stands here has no rows.
 */
export const moveReference: ReferenceMover = (tx, line, place) => {
  if (line.kind !== 'sale') return;
  tx.run(
    'UPDATE sale SET incarnation_no = ?, seq = ? WHERE id = ? AND content_hash = ?',
    place.incarnationNo,
    place.seq,
    line.key,
    Buffer.from(line.contentHash, 'hex'),
  );
};

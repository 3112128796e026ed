import type { NewConflict } from '../worklists/record-conflict.js';

/** What went in, by id, and what people have to decide about it. */
export type Inserted = { ids: ReadonlySet<string>; disputes?: readonly NewConflict[] };

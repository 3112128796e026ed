import BetterSqlite3 from 'better-sqlite3';

/**
 * Takes out of a copy of the file what stands of persons in clear: it is opened again from what lies sealed beside it, once
 * the copy is in use and the keys are there. A copy is kept for who knows how long, and no erasure would ever reach it.
 * The caller has the copy to himself. @throws what SQLite says of a file that is none, or is damaged
 */
export function forgetPersons(copy: string): void {
  const database = new BetterSqlite3(copy, { fileMustExist: true });
  try {
    // No log beside the copy keeps the pages of before; if this is cut short, so is the copy.
    database.pragma('journal_mode = MEMORY');
    database.pragma('secure_delete = ON');
    const has = database.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'customer_open'`).pluck().get();
    if (has === 0) return;
    database.transaction(() => {
      database.exec('DELETE FROM customer_open');
      database.exec(`INSERT OR IGNORE INTO customer_sealed (customer, source, take) SELECT id, '', take FROM feed_customer
        WHERE id NOT IN (SELECT person FROM erased_person)`);
    })();
  } finally {
    database.close();
  }
}

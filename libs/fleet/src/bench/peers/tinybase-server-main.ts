import { createServer } from 'node:http';
import { listenAnywhere, peerArguments, tellReady } from './peer-program.js';
import {
  DOCUMENT_CELL,
  importPersister,
  importServer,
  importSockets,
  importStore,
  type MergeableStore,
  openFile,
  type Persister,
  SALES_TABLE,
  storesIn,
} from './tinybase-api.js';

const { modules, data, patienceS } = peerArguments();
const { createMergeableStore } = await importStore(modules);
const { createBetterSqlite3Persister } = await importPersister(modules);
const { createWsServer } = await importServer(modules);
const { WebSocketServer } = await importSockets(modules);

type Kept = { store: MergeableStore; persister: Persister; rows: number };

/** TinyBase's own server, which keeps a store per path by a persister; beside it what the bench asks. */
const file = openFile(data);
const kept = new Map<string, Kept>();
for (const name of storesIn(file)) {
  const persister = persisterOf(name);
  await persister.load();
}

const server = createServer((request, response) => {
  if (request.url === '/count') {
    let count = 0;
    for (const each of kept.values()) {
      // What is in memory only is not counted.
      if (each.persister.getStatus() === 0) each.rows = each.store.getRowCount(SALES_TABLE);
      count += each.rows;
    }
    response.end(JSON.stringify({ count }));
    return;
  }
  for (const { store } of kept.values()) {
    for (const row of store.getRowIds(SALES_TABLE))
      response.write(`${store.getCell(SALES_TABLE, row, DOCUMENT_CELL)}\n`);
  }
  response.end();
});
createWsServer(new WebSocketServer({ server }), persisterOf, undefined, patienceS);
tellReady(await listenAnywhere(server), async () => {
  for (const { persister } of kept.values()) await persister.save();
});

/** Another one each time a client comes after the last has gone: the server ends it with that. */
function persisterOf(path: string): Persister {
  const store = kept.get(path)?.store ?? createMergeableStore();
  const persister = createBetterSqlite3Persister(store, file, path);
  kept.set(path, { store, persister, rows: kept.get(path)?.rows ?? 0 });
  return persister;
}

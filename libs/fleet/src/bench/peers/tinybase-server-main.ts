import { createServer } from 'node:http';
import { listenAnywhere, peerArguments, tellReady } from './peer-program.js';
import {
  DOCUMENT_CELL,
  importPersister,
  importServer,
  importSockets,
  importStore,
  MESSAGE_BYTES_MAX,
  openFile,
  SALES_TABLE,
} from './tinybase-api.js';

const { modules, data, patienceS } = peerArguments();
const { createMergeableStore } = await importStore(modules);
const { createBetterSqlite3Persister } = await importPersister(modules);
const { createWsServer } = await importServer(modules);
const { WebSocketServer } = await importSockets(modules);

/** TinyBase's own server, which keeps a store per path by a persister; beside it what the bench asks. */
const store = createMergeableStore();
const file = openFile(data);
// Another one each time a client comes after the last has gone: the server ends it with that.
let persister = createBetterSqlite3Persister(store, file);
await persister.load();
let kept = store.getRowCount(SALES_TABLE);

const server = createServer((request, response) => {
  if (request.url === '/count') {
    // What is in memory only is not counted.
    if (persister.getStatus() === 0) kept = store.getRowCount(SALES_TABLE);
    response.end(JSON.stringify({ count: kept }));
    return;
  }
  for (const row of store.getRowIds(SALES_TABLE)) response.write(`${store.getCell(SALES_TABLE, row, DOCUMENT_CELL)}\n`);
  response.end();
});
const sockets = new WebSocketServer({ server, maxPayload: MESSAGE_BYTES_MAX });
createWsServer(sockets, () => (persister = createBetterSqlite3Persister(store, file)), undefined, patienceS);
tellReady(await listenAnywhere(server), async () => void (await persister.save()));

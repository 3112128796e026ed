import { setTimeout as pause } from 'node:timers/promises';
import { peerArguments, tellReady } from './peer-program.js';
import { readDocuments } from './read-documents.js';
import {
  DOCUMENT_CELL,
  importClient,
  importPersister,
  importSockets,
  importStore,
  type MergeableStore,
  openFile,
  type Persister,
  SALES_A_STORE,
  SALES_TABLE,
  storesIn,
} from './tinybase-api.js';

const { modules, data, serverUrl, patienceS, fill } = peerArguments();
/** As the wrapper does that its documentation recommends for it. */
const RECONNECT_MS = 1_000;
/** One after the other is read, so that the first are on their way. */
const BETWEEN_STORES_MS = 250;

const { createMergeableStore } = await importStore(modules);
const { createBetterSqlite3Persister } = await importPersister(modules);
const file = openFile(data);
if (fill === null) {
  const persisters: Persister[] = [];
  tellReady(serverUrl, async () => {
    for (const persister of persisters) await persister.save();
  });
  for (const name of storesIn(file)) {
    const store = createMergeableStore();
    const persister = createBetterSqlite3Persister(store, file, name);
    await persister.load();
    await persister.startAutoSave();
    persisters.push(persister);
    void synchronize(store, name);
    await pause(BETWEEN_STORES_MS);
  }
} else {
  let no = storesIn(file).length;
  for await (const documents of readDocuments(fill.file, { ...fill, atATime: SALES_A_STORE })) {
    const store = createMergeableStore();
    store.transaction(() => {
      for (const document of documents) {
        store.setRow(SALES_TABLE, document.id, { [DOCUMENT_CELL]: JSON.stringify(document) });
      }
    });
    no += 1;
    await createBetterSqlite3Persister(store, file, `store${no}`).save();
  }
}

async function synchronize(store: MergeableStore, name: string): Promise<never> {
  const { createWsSynchronizer } = await importClient(modules);
  const { WebSocket } = await importSockets(modules);
  for (;;) {
    const socket = new WebSocket(`${serverUrl.replace('http:', 'ws:')}/${name}`);
    const closed = new Promise<void>((done) => {
      socket.on('close', done);
      socket.on('error', done);
    });
    const open = createWsSynchronizer(store, socket, patienceS).catch(() => null);
    const synchronizer = await Promise.race([open, closed.then(() => null)]);
    void synchronizer?.startSync().catch(() => undefined);
    await closed;
    await synchronizer?.destroy().catch(() => undefined);
    socket.terminate();
    await pause(RECONNECT_MS);
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import { peerArguments, tellReady } from './peer-program.js';
import { readDocuments } from './read-documents.js';
import {
  DOCUMENT_CELL,
  importClient,
  importPersister,
  importSockets,
  importStore,
  MESSAGE_BYTES_MAX,
  openFile,
  SALES_TABLE,
} from './tinybase-api.js';

const { modules, data, serverUrl, patienceS, fill } = peerArguments();
/** As the wrapper does that its documentation recommends for it. */
const RECONNECT_MS = 1_000;
const FILLED_AT_A_TIME = 10_000;

const { createMergeableStore } = await importStore(modules);
const store = createMergeableStore();
const { createBetterSqlite3Persister } = await importPersister(modules);
const persister = createBetterSqlite3Persister(store, openFile(data));
await persister.load();
if (fill === null) {
  await persister.startAutoSave();
  tellReady(serverUrl, async () => void (await persister.save()));
  await synchronize();
} else {
  for await (const documents of readDocuments(fill.file, { ...fill, atATime: FILLED_AT_A_TIME })) {
    store.transaction(() => {
      for (const document of documents) {
        store.setRow(SALES_TABLE, document.id, { [DOCUMENT_CELL]: JSON.stringify(document) });
      }
    });
  }
  await persister.save();
}

async function synchronize(): Promise<never> {
  const { createWsSynchronizer } = await importClient(modules);
  const { WebSocket } = await importSockets(modules);
  for (;;) {
    const socket = new WebSocket(`${serverUrl.replace('http:', 'ws:')}/sales`, { maxPayload: MESSAGE_BYTES_MAX });
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

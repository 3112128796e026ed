import { peerArguments, tellReady } from './peer-program.js';
import { type PouchDbClass, requireFrom } from './pouchdb-api.js';
import { readDocuments } from './read-documents.js';

const { modules, data, serverUrl, fill } = peerArguments();
/** Ten times its own default: over a slow line it needs fewer round trips. */
const REPLICATION = { live: true, retry: true, batch_size: 1_000, batches_limit: 10 } as const;
const FILLED_AT_A_TIME = 1_000;

const PouchDB = requireFrom<PouchDbClass>(modules, 'pouchdb').defaults({ prefix: `${data}/` });
const sales = new PouchDB('sales');
if (fill === null) {
  const replication = sales.replicate.to(`${serverUrl}/db/sales`, REPLICATION);
  tellReady(serverUrl, async () => {
    replication.cancel();
    await sales.close();
  });
} else {
  for await (const documents of readDocuments(fill.file, { ...fill, atATime: FILLED_AT_A_TIME })) {
    const stored = await sales.bulkDocs(documents.map((document) => ({ _id: document.id, ...document })));
    if (stored.some(({ error }) => error)) throw new Error('PouchDB has not taken a document');
  }
  await sales.close();
}

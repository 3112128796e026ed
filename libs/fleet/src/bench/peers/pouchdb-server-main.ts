import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { listenAnywhere, peerArguments, tellReady } from './peer-program.js';
import { type PouchDbClass, requireFrom } from './pouchdb-api.js';

const { modules, data } = peerArguments();
const PAGE = 2_000;

type ExpressPouchDb = (
  pouchDb: PouchDbClass,
  options: { mode: 'minimumForPouchDB'; inMemoryConfig: true; logPath: string },
) => RequestListener;

/** express-pouchdb over LevelDB, as its readme sets it up; beside it what the bench asks. */
const PouchDB = requireFrom<PouchDbClass>(modules, 'pouchdb').defaults({ prefix: `${data}/` });
const expressPouchDb = requireFrom<ExpressPouchDb>(modules, 'express-pouchdb');
const app = requireFrom<() => RequestListener & { use(path: string, app: RequestListener): void }>(
  modules,
  'express',
)();
const options = { mode: 'minimumForPouchDB', inMemoryConfig: true, logPath: join(data, 'log.txt') } as const;
app.use('/db', expressPouchDb(PouchDB, options));
const sales = new PouchDB('sales');

const server = createServer((request, response) => {
  if (request.url === '/count') void answerCount(response);
  else if (request.url === '/documents') void answerDocuments(request, response);
  else app(request, response);
});
tellReady(await listenAnywhere(server), () => sales.close());

async function answerCount(response: ServerResponse): Promise<void> {
  response.end(JSON.stringify({ count: (await sales.info()).doc_count }));
}

async function answerDocuments(_request: IncomingMessage, response: ServerResponse): Promise<void> {
  let startkey: string | undefined;
  for (;;) {
    const after = startkey === undefined ? {} : { startkey, skip: 1 };
    const { rows } = await sales.allDocs({ include_docs: true, limit: PAGE, ...after });
    if (rows.length === 0) break;
    for (const { doc } of rows) {
      const { _id, _rev, ...document } = doc;
      response.write(`${JSON.stringify(document)}\n`);
    }
    startkey = rows.at(-1)?.id;
  }
  response.end();
}

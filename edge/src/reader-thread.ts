import { LONG_READS } from './long-reads.js';
import { serveReads } from './store/serve-reads.js';

serveReads(LONG_READS);

import { serveReads } from './store/serve-reads.js';
import { VERIFY_JOBS } from './verify/verify-jobs.js';

serveReads(VERIFY_JOBS);

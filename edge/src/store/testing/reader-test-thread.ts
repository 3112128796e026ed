import { serveReads } from '../serve-reads.js';
import { READER_TEST_JOBS } from './reader-test-jobs.js';

serveReads(READER_TEST_JOBS);

/**
 * Preloaded into the process of each test file: its first byte on stdout tells the reporter whose tests follow.
 *
 * Tests of a contract suite are defined in another file than the one that runs them, and Node 20 and 22 report only
 * the former (`file`; later versions add `entryFile`). Output arrives in order with the tests, and its event names
 * the running file. Workers and the peers that a test starts inherit this preload and stay silent.
 */
import { isMainThread } from 'node:worker_threads';
import { ANNOUNCEMENT } from './announcement.mjs';

const runsTests = process.env.NODE_TEST_CONTEXT === 'child-v8' && /\.test\.js$/.test(process.argv[1] ?? '');
if (isMainThread && runsTests) process.stdout.write(ANNOUNCEMENT);

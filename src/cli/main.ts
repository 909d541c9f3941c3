#!/usr/bin/env node
import { CommanderError } from 'commander';
import { describeFailure } from './failure.ts';
import { createProgram } from './program.ts';

const FAILED = 1;
const MISUSED = 2;
/** 128 + SIGPIPE: what a shell shows for a program whose reader went away. */
const READER_GONE = 141;

// `tendon demo | head`: nobody reads any more. What the command started notices that it is gone, and ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(READER_GONE);
  process.stderr.write(describeFailure(error, false));
  process.exit(FAILED);
});

const program = createProgram();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are thrown too; commander has printed all of these.
    process.exitCode = error.exitCode === 0 ? 0 : MISUSED;
  } else {
    process.stderr.write(describeFailure(error, program.opts<{ debug?: boolean }>().debug === true));
    process.exitCode = FAILED;
  }
}

#!/usr/bin/env node
import { CommanderError } from 'commander';
import { describeFailure } from './failure.ts';
import { createProgram } from './program.ts';

const FAILED = 1;
const MISUSED = 2;

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

import { Command } from 'commander';
import { registerBench } from './index.ts';

const program = new Command('tendon');
registerBench(program);
await program.parseAsync();

export { registerPipe } from './command.ts';

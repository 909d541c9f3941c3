export { inprocTransport } from './inproc-transport.ts';

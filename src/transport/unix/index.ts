export { unixTransport } from './unix-transport.ts';

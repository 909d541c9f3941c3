export { connectStream, type Dialling } from './connect.ts';
export { newServer, StreamListener, startListening } from './stream-listener.ts';
export { fromSystemError } from './system-errors.ts';

/** MessagePack; needs the optional package `msgpackr`. */
export { messagePackCodec } from './message-pack.ts';

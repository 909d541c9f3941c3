export { CODEC_IDS, type Codec } from './codec.ts';

/** JSON in UTF-8. */
export { jsonCodec } from './json.ts';

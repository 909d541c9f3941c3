export { registerCall } from './call.ts';
export { registerServe } from './serve.ts';

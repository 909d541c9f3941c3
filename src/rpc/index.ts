/**
 * Calls between processes: a contract (`defineService`), who serves it (`ServiceStub`), who calls it
 * (`ServiceProxy`). Any connection carries them.
 */
export type { CallCallback } from './call.ts';
export { serviceError } from './call-error.ts';
export {
  type CallOptions,
  type FullPolicy,
  type OneWayOptions,
  PROXY_DEFAULTS,
  type ProxyOptions,
  type ProxyStats,
} from './proxy-options.ts';
export type { CallContext } from './server-call.ts';
export {
  type AnsweringMethods,
  type CodecName,
  defineService,
  type Method,
  type MethodOptions,
  type MethodTable,
  method,
  type RequestOf,
  type ResponseOf,
  type Service,
  type Validator,
} from './service.ts';
export { ServiceProxy } from './service-proxy.ts';
export {
  type Handler,
  type Handlers,
  ServiceStub,
  STUB_DEFAULTS,
  type StopReport,
  type StubEvents,
  type StubOptions,
  type StubStats,
} from './service-stub.ts';

export { ConnectionBase, type ConnectionIdentity } from './connection-base.ts';
export type {
  Broadcast,
  BroadcastOptions,
  Capabilities,
  Connection,
  ConnectionEvents,
  ConnectionOptions,
  ConnectionState,
  ConnectionStats,
  ConnectOptions,
  FrameHandler,
  Listener,
  ListenerEvents,
  ListenOptions,
  Peer,
  ReceiveOptions,
  SlowSubscriberPolicy,
  Transport,
} from './contract.ts';
export { copyOf } from './copy.ts';
export { ENDPOINT_SCHEMES, type Endpoint, hostEndpoint, parseEndpoint } from './endpoint.ts';
export {
  BROADCAST_DEFAULTS,
  FanOut,
  type ResolvedBroadcastOptions,
  resolveBroadcastOptions,
} from './fan-out.ts';
export { ListenerBase } from './listener-base.ts';
export {
  CONNECT_DEFAULTS,
  CONNECTION_DEFAULTS,
  LISTEN_DEFAULTS,
  type ResolvedConnectionOptions,
  type ResolvedConnectOptions,
  type ResolvedListenOptions,
  resolveConnectOptions,
  resolveListenOptions,
} from './options.ts';

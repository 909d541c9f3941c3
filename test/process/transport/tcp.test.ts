import { tcpTransport } from 'tendon/transport/tcp';
import { processTests } from './scenarios.ts';

processTests('tcp://', {
  transport: tcpTransport,
  freshEndpoint: () => 'tcp://127.0.0.1:0',
  module: 'tendon/transport/tcp',
  exported: 'tcpTransport',
});

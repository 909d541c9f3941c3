/** A client process: `client.js SCHEME ENDPOINT DIRECTORY`. Makes calls that do not end, says so, and waits to be killed. */
import { Context } from 'tendon/core';
import { ServiceProxy } from 'tendon/rpc';
import { TRANSPORTS, testService } from './service.js';

const [scheme = '', endpoint = '', runtimeDirectory = ''] = process.argv.slice(2);
const context = new Context({ runtimeDirectory });
const proxy = await ServiceProxy.connect(
  testService,
  () => TRANSPORTS[scheme]!.connect(endpoint, { context }),
  { context },
);
for (let call = 0; call < 10; call++) void proxy.call('sleep', 60_000, { deadlineMs: Infinity });
await proxy.call('echo', { n: 1, text: 'the others were sent before' });
process.send?.('calling');
